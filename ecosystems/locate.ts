import type { TargetUri } from "../core/target.ts";
import type { EcosystemName } from "./ecosystem.ts";
import { FORMATS } from "./formats.ts";
import type { MetadataPlace } from "./metadata.ts";

/**
 * Says which document of metadata a URI names, and about which repository; `undefined` when readers.ts has no reader
 * for it.
 * @param ecosystem where the request tells it: a packument may have any name, and so may the page of an index.
 */
export function locateMetadata(target: TargetUri, ecosystem?: EcosystemName): MetadataPlace | undefined {
  for (const format of FORMATS) {
    const isAsked = ecosystem === undefined ? format.isLocatedByUri : format.name === ecosystem;
    const place = isAsked ? format.locate(target) : undefined;
    if (place !== undefined) return place;
  }
  return undefined;
}
