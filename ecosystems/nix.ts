import type { Classification, Ecosystem } from "./ecosystem.ts";
import { pathOf } from "./path.ts";

const PAYLOAD: Classification = { class: "payload", ecosystem: "nix", coding: "identity", isImmutable: true };
const ROOT: Classification = { class: "root", ecosystem: "nix", coding: "identity" };

/** `nar/<file hash>.nar.xz` as Nix names them, or whatever else a cache puts under `nar/` after a hash in Nix's base 32. */
const NAR = /(?:\.nar(?:\.[a-z0-9]+)?|\/nar\/[0-9a-df-np-sv-z]{32,52}[^/]*)$/;
/** Path info, the cache's own description, realisations of content-addressed derivations. */
const INFO = /(?:\.narinfo|\/nix-cache-info|\/realisations\/[^/]+\.doi)$/;

/** Nix binary caches. Listings (`.ls`) and build logs are declared by nothing and stay *other*. */
export const nix: Ecosystem = {
  name: "nix",
  classify(target) {
    const path = pathOf(target);
    if (INFO.test(path)) return ROOT;
    return NAR.test(path) ? PAYLOAD : undefined;
  },
};
