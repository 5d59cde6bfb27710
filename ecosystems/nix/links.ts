import type { Relink } from "../page.ts";

/** A narinfo's `URL:` is mostly relative; the signature does not cover it. */
export function rewriteNarinfo(page: string, _contentType: string, relink: Relink): string {
  return page.replace(/^(URL: *)(\S+)/m, (_, name: string, url: string) => name + relink(url));
}
