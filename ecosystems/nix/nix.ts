import type { Classification } from "../ecosystem.ts";
import type { PackageFormat } from "../package-format.ts";
import { pathOf } from "../path.ts";
import { rewriteNarinfo } from "./links.ts";
import { locateNix } from "./locate.ts";

const PAYLOAD: Classification = { class: "payload", ecosystem: "nix", coding: "identity", isImmutable: true };
/** A cache that has no path now may have it as soon as it is built. */
const MISSING_MS = 10_000;
const ROOT: Classification = {
  class: "root",
  ecosystem: "nix",
  coding: "identity",
  missingFreshForMs: MISSING_MS,
};
const NARINFO: Classification = {
  ...ROOT,
  holdsWithPayloads: true,
  signature: { kind: "narinfo" },
};

/**
 * `nar/<file hash>.nar.xz` as Nix names them, or whatever else a cache puts under `nar/` after a hash in Nix's base 32.
 */
const NAR = /(?:\.nar(?:\.[a-z0-9]+)?|\/nar\/[0-9a-df-np-sv-z]{32,52}[^/]*)$/;
/** The cache's own description, realisations of content-addressed derivations. */
const INFO = /(?:\/nix-cache-info|\/realisations\/[^/]+\.doi)$/;
const PATH_INFO = /\.narinfo$/;

/** Nix binary caches. Listings (`.ls`) and build logs are declared by nothing and stay *other*. */
export const nix: PackageFormat = {
  name: "nix",
  classify(target) {
    const path = pathOf(target);
    if (PATH_INFO.test(path)) return NARINFO;
    if (INFO.test(path)) return ROOT;
    return NAR.test(path) ? PAYLOAD : undefined;
  },
  locate: locateNix,
  isLocatedByUri: true,
  rewritePage: rewriteNarinfo,
};
