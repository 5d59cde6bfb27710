import type { DigestAlgorithm } from "../core/declaration.ts";
import { algorithmNamed, type WrittenDigests } from "./declarations.ts";

/** `sha512-<base64>`, with options behind `?` that nobody has defined yet (W3C Subresource Integrity §3.5). */
const ITEM = /^([a-z0-9]+)-([A-Za-z0-9+/]+={0,2})(?:\?.*)?$/;

/**
 * Reads Subresource Integrity metadata, as npm (`dist.integrity`) and Nix (`FileHash`) write it: items with white space
 * between them.
 * @returns the first digest of each algorithm that larder knows, in hex; npm packs a tarball once, so others of the
 * same algorithm would be for other bytes.
 */
export function parseIntegrity(text: string): WrittenDigests {
  const digests: Partial<Record<DigestAlgorithm, string>> = {};
  for (const item of text.trim().split(/\s+/)) {
    const [, name = "", base64 = ""] = ITEM.exec(item) ?? [];
    const algorithm = algorithmNamed(name);
    if (algorithm !== undefined) digests[algorithm] ??= Buffer.from(base64, "base64").toString("hex");
  }
  return digests;
}
