import { canonicalUriWithQuery, targetOf } from "./repository-path.ts";

/** Where a URL in a document points: a path in the document's own repository, or below the root of another host. */
export interface UrlLocation {
  readonly path: string;
  readonly base: string | undefined;
}

/** Where a document is that holds URLs. */
export interface UrlContext {
  /** The base of the document's repository. */
  readonly base: string;
  /** What its relative URLs are relative to. */
  readonly relativeTo: string;
}

/**
 * Resolves a URL of a document, as browsers and installers do (WHATWG URL).
 * @returns `undefined` when it is no plain http(s) URL of a file.
 */
export function locateUrl(written: string, { base, relativeTo }: UrlContext): UrlLocation | undefined {
  if (!URL.canParse(written, relativeTo)) return undefined;
  const url = new URL(written, relativeTo);
  url.hash = "";
  return locateTarget(url.href, base);
}

/** The same for a URL that is whole. */
export function locateTarget(url: string, base: string): UrlLocation | undefined {
  const target = targetOf(url);
  const uri = target === undefined ? undefined : canonicalUriWithQuery(target);
  if (target === undefined || uri === undefined) return undefined;
  if (uri.startsWith(base)) return { path: uri.slice(base.length), base: undefined };
  const root = `${target.scheme}://${target.authority}/`;
  return { path: uri.slice(root.length), base: root };
}
