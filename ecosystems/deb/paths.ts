import { canonicalPath } from "../repository-path.ts";

/** Where a file is that an index names: paths relative to the repository's base, none when the name leaves it. */
export type PathsOf = (name: string) => readonly string[];

/**
 * What the names in an index are relative to: the URI of sources.list, which is the base where the index stands below
 * `dists/`. A flat repository may be written as `deb <folder> ./`, or as `deb <parent> <folder>/` with names that begin
 * with that folder (tried on apt 2.6); its own URL does not tell which, so a name of the second form declares both
 * places. Nothing outside of the folder is declared: else the owner of one folder could speak about all others of its
 * host.
 * @param index where the index is: its repository's base, and its path below.
 */
export function namesRelativeTo(index: { readonly base: string; readonly path: string }): PathsOf {
  const folders = index.path.startsWith("dists/") ? [] : foldersOf(index.base);
  return (name) => {
    const path = canonicalPath(name);
    if (path === undefined) return [];
    const folder = folders.find((candidate) => path.startsWith(candidate));
    return folder === undefined ? [path] : [path, path.slice(folder.length)];
  };
}

/** `c/`, `b/c/`, `a/b/c/` for `https://host/a/b/c/`. */
function foldersOf(base: string): string[] {
  const segments = base.split("/").slice(3, -1);
  return segments.map((_, from) => `${segments.slice(from).join("/")}/`).reverse();
}
