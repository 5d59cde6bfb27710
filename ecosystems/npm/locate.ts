import type { TargetUri } from "../../core/target.ts";
import type { MetadataPlace } from "../metadata.ts";
import { canonicalUri } from "../repository-path.ts";

/** `<registry>/name` or `<registry>/@scope/name`. */
const PACKUMENT = /^(https?:\/\/[^/]+\/(?:.*?\/)??)((?:@[^/]+\/)?[^/]+)$/;

/** Says which package of which registry a target names that is asked for as a packument. */
export function locateNpm(target: TargetUri): MetadataPlace | undefined {
  const uri = canonicalUri(target) ?? "";
  const [, base, path] = PACKUMENT.exec(uri) ?? [];
  if (base === undefined || path === undefined) return undefined;
  // Its URLs are whole: the same bytes elsewhere would speak about this registry still.
  const document = { kind: "npm-packument", compression: "plain" } as const;
  return { role: "root", ecosystem: "npm", document, base, path, scope: uri };
}
