import type { Classification } from "./ecosystem.ts";
import { rewriteNarinfo } from "./nix/links.ts";
import { rewritePackument } from "./npm/links.ts";
import type { PageRewriter } from "./page.ts";
import { rewriteSimplePage } from "./pypi/links.ts";
import { rewriteMirrors } from "./rpm/links.ts";

/**
 * Formats whose roots hold links that may lead to other hosts, or to the root of their own. deb names files by relative
 * paths only.
 */
const REWRITERS: Readonly<Record<string, PageRewriter>> = {
  npm: rewritePackument,
  nix: rewriteNarinfo,
  pypi: rewriteSimplePage,
  rpm: rewriteMirrors,
};

/**
 * The function that rewrites what a request of that class gets, where it may hold links. npm also asks for packuments
 * as mere JSON, at hosts that nobody knows as registries.
 * @param accept the request's Accept field
 */
export function pageRewriterOf(
  { class: kind, ecosystem }: Classification,
  accept: string | undefined,
): PageRewriter | undefined {
  if (kind === "root" && ecosystem !== undefined) return REWRITERS[ecosystem];
  return kind === "other" && accept?.includes("application/json") === true ? rewritePackument : undefined;
}
