/**
 * Says where a link of a page is to lead instead; relative ones that stay below the page's own folder come back as they
 * are.
 */
export type Relink = (reference: string) => string;

/**
 * Rewrites the links by which a client goes on from a page, and nothing else.
 * @param contentType the page's media type in lower case, without parameters
 * @returns the page; the same text when it has no such links, or cannot be read
 */
export type PageRewriter = (page: string, contentType: string, relink: Relink) => string;

/** The page as a JSON object. @returns `undefined` for what is none */
export function readObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
