import type { TargetUri } from "../../core/target.ts";
import type { MetadataPlace } from "../metadata.ts";
import { canonicalUri } from "../repository-path.ts";

/** A narinfo lies at the root of its cache, named by the hash of a store path. */
const NARINFO = /^(.*\/)([0-9a-df-np-sv-z]{32}\.narinfo)$/;

/** Says which path info of which binary cache a URI names; `undefined` when it names none. */
export function locateNix(target: TargetUri): MetadataPlace | undefined {
  const [, base, path] = NARINFO.exec(canonicalUri(target) ?? "") ?? [];
  if (base === undefined || path === undefined) return undefined;
  // What it says is relative to the cache, so it is the same document at every mirror.
  const document = { kind: "nix-narinfo", compression: "plain" } as const;
  return { role: "root", ecosystem: "nix", document, base, path, scope: path };
}
