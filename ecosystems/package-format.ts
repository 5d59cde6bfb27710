import type { FieldRecord } from "../core/fields.ts";
import type { TargetUri } from "../core/target.ts";
import type { Classification, EcosystemName } from "./ecosystem.ts";
import type { MetadataPlace } from "./metadata.ts";
import type { PageRewriter } from "./page.ts";

/** What larder knows of one package format by its URIs: a folder beside this file, and a row in formats.ts. */
export interface PackageFormat {
  readonly name: EcosystemName;
  /** @param request its fields. @returns `undefined` when the URI is not of this format. */
  classify(target: TargetUri, request: FieldRecord): Classification | undefined;
  /** Which document of metadata a URI names; `undefined` when it names none that can be read. */
  locate(target: TargetUri): MetadataPlace | undefined;
  /** Whether a URI alone tells such a document, or only together with the request for it. */
  readonly isLocatedByUri: boolean;
  /** Left out where documents name files by relative paths only. */
  readonly rewritePage?: PageRewriter;
}
