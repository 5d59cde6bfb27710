import type { Classification } from "./ecosystem.ts";
import { FORMATS } from "./formats.ts";
import { rewritePackument } from "./npm/links.ts";
import type { PageRewriter } from "./page.ts";

/**
 * The function that rewrites what a request of that class gets, where it may hold links. npm also asks for packuments
 * as mere JSON, at hosts that nobody knows as registries.
 * @param accept the request's Accept field
 */
export function pageRewriterOf(
  { class: kind, ecosystem }: Classification,
  accept: string | undefined,
): PageRewriter | undefined {
  if (kind === "root") return FORMATS.find(({ name }) => name === ecosystem)?.rewritePage;
  return kind === "other" && accept?.includes("application/json") === true ? rewritePackument : undefined;
}
