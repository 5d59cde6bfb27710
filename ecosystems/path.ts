import type { TargetUri } from "../core/target.ts";

/** The path of a target without its query: a pre-signed URL names the same file as a plain one. */
export function pathOf({ path }: TargetUri): string {
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
}

/** What follows the last slash; empty for a folder. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
