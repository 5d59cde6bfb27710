import type { TargetUri } from "../core/target.ts";
import { locateDeb } from "./deb/locate.ts";
import type { EcosystemName } from "./ecosystem.ts";
import type { MetadataPlace } from "./metadata.ts";
import { locateNix } from "./nix/locate.ts";
import { locateNpm } from "./npm/locate.ts";
import { locatePypi } from "./pypi/locate.ts";
import { locateRpm } from "./rpm/locate.ts";

type Locate = (target: TargetUri) => MetadataPlace | undefined;

const LOCATORS: Readonly<Record<EcosystemName, Locate>> = {
  deb: locateDeb,
  rpm: locateRpm,
  nix: locateNix,
  npm: locateNpm,
  pypi: locatePypi,
};
/** Those whose documents are known by their URI alone. */
const PLAIN: readonly EcosystemName[] = ["deb", "rpm", "nix"];

/**
 * Says which document of metadata a URI names, and about which repository; `undefined` when readers.ts has no reader
 * for it.
 * @param ecosystem where the request tells it: a packument may have any name, and so may the page of an index.
 */
export function locateMetadata(target: TargetUri, ecosystem?: EcosystemName): MetadataPlace | undefined {
  for (const name of ecosystem === undefined ? PLAIN : [ecosystem]) {
    const place = LOCATORS[name](target);
    if (place !== undefined) return place;
  }
  return undefined;
}
