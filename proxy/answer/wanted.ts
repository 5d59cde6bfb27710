import { digestOf } from "../../core/digest.ts";
import { wantedDigest } from "../../ecosystems/npm/wanted.ts";
import type { DeclaredResource } from "../../storage/declarations.ts";
import type { Errand } from "./errand.ts";

/**
 * What no repository has declared here, its client may have been told before, and says so itself: it gets that, or
 * nothing. It speaks about this one exchange; what others are told stays with their repositories.
 * @param name of the target, as declarations call it.
 */
export function wantedResource(name: string, { view, context }: Errand, nowMs: number): DeclaredResource | undefined {
  const wanted = wantedDigest(view.record);
  if (wanted === undefined || context.class !== "payload") return undefined;
  const { scheme, authority, uri } = view.target;
  const base = `${scheme}://${authority}/`;
  const said = digestOf(wanted.digest);
  return {
    kind: "payload",
    isIndex: false,
    ecosystem: "npm",
    realm: view.realm,
    base,
    path: name.slice(base.length),
    name: undefined,
    version: undefined,
    arch: undefined,
    publishedMs: undefined,
    declaration: { ...wanted, bytes: undefined },
    declaredBy: said,
    root: { uri, digest: said, seenMs: nowMs },
    alternatives: [],
  };
}
