import type { Relink } from "../page.ts";

/**
 * The URLs of metalinks (RFC 5854, and the older form that dnf reads) and the lines of mirror lists; repomd.xml names
 * paths only.
 */
export function rewriteMirrors(page: string, contentType: string, relink: Relink): string {
  if (/^\s*</.test(page) || contentType.endsWith("xml")) {
    if (!/<metalink\b/.test(page)) return page;
    return page.replace(/(<url\b[^>]*>\s*)([^<\s]+)/g, (_, tag: string, url: string) => tag + relink(url));
  }
  return /^\s*(?:#.*\s+)*https?:\/\//.test(page)
    ? page.replace(/^\s*https?:\/\/\S+/gm, (url) => relink(url.trim()))
    : page;
}
