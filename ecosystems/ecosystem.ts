import type { ResourceClass } from "../core/entry.ts";
import type { TargetUri } from "../core/target.ts";

export type { ResourceClass } from "../core/entry.ts";

export type EcosystemName = "deb" | "rpm" | "pypi" | "nix" | "npm";

/** What the shape of a request says before anything has been fetched. */
export interface Classification {
  readonly class: ResourceClass;
  /** `undefined` for *other*. */
  readonly ecosystem: EcosystemName | undefined;
  /**
   * The content coding in which larder asks for it and stores it: `identity`, or `gzip` for large text that is negotiated
   * from there; `asked` leaves it to the client's own Accept-Encoding.
   */
  readonly coding: "identity" | "gzip" | "asked";
  /** The format gives a name to one content for ever: a registry takes no second upload under it. */
  readonly isImmutable?: boolean;
}

/** One package format: one file in this folder, one row in classify.ts. */
export interface Ecosystem {
  readonly name: EcosystemName;
  /** @param accept the request's Accept field. @returns `undefined` when the URI is not of this format. */
  classify(target: TargetUri, accept: string | undefined): Classification | undefined;
}
