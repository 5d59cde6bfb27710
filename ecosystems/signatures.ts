import type { TargetUri } from "../core/target.ts";
import { canonicalUri } from "./repository-path.ts";

/** Signatures that stand beside the root they sign: Debian's `Release.gpg`, createrepo_c's `repomd.xml.asc`. */
const SIGNATURE = /\/(?:Release\.gpg|repodata\/repomd\.xml\.asc)$/;

/** The canonical URI of the root that a signature signs; `undefined` when the target is no signature. */
export function rootSignedBy(target: TargetUri): string | undefined {
  const uri = canonicalUri(target);
  return uri !== undefined && SIGNATURE.test(uri) ? uri.slice(0, uri.lastIndexOf(".")) : undefined;
}
