import { type Relink, readObject } from "../page.ts";

/** A tag whose quoted values may hold `>`, as in `data-requires-python=">=3.9"`. */
const LINK_TAG = /<(?:a|base)\s(?:[^>"']|"[^"]*"|'[^']*')*>/gi;
const HREF = /(\shref\s*=\s*)(?:"([^"]*)"|'([^']*)'|([^\s>"']+))/i;

/** Index pages in both forms: the anchors of PEP 503, and `files[].url` of PEP 691. */
export function rewriteSimplePage(page: string, contentType: string, relink: Relink): string {
  if (contentType.endsWith("json")) return rewriteJson(page, relink);
  if (!contentType.endsWith("html")) return page;
  return page.replace(LINK_TAG, (tag) => {
    return tag.replace(HREF, (_, name: string, double?: string, single?: string, bare?: string) => {
      return `${name}"${relink(double ?? single ?? bare ?? "").replaceAll('"', "&quot;")}"`;
    });
  });
}

function rewriteJson(page: string, relink: Relink): string {
  const index = readObject(page);
  const files: unknown = index?.["files"];
  if (index === undefined || !Array.isArray(files)) return page;
  for (const file of files as readonly { url?: unknown }[]) {
    if (typeof file?.url === "string") file.url = relink(file.url);
  }
  return JSON.stringify(index);
}
