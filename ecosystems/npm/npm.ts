import type { Classification } from "../ecosystem.ts";
import type { PackageFormat } from "../package-format.ts";
import { pathOf } from "../path.ts";
import { rewritePackument } from "./links.ts";
import { locateNpm } from "./locate.ts";

const PAYLOAD: Classification = { class: "payload", ecosystem: "npm", coding: "identity", isImmutable: true };
/** Packuments are large JSON: stored once, compressed, per Accept. */
const ROOT: Classification = {
  class: "root",
  ecosystem: "npm",
  coding: "gzip",
  // The full packument: npm itself asks for it since version 11, and others take it for the abbreviated one.
  acceptWithTimes: "application/json",
};

/** Registries that serve nothing else, so that a bare `/name` is a package there. */
const REGISTRIES: ReadonlySet<string> = new Set([
  "registry.npmjs.org",
  "registry.yarnpkg.com",
  "registry.npmmirror.com",
  "npm.pkg.github.com",
  "npm.jsr.io",
]);

/** `<name>/-/<name>-1.0.0.tgz` on any registry; some put the scope before the file name too. */
const TARBALL = /\/-\/(?:@[^/]+\/)?[^/]+\.tgz$/;
/**
 * What those registries name differently: GitHub's `/download/@scope/name/1.0.0/<digest>`, JSR's
 * `/~/11/@jsr/name/1.0.0.tgz`.
 */
const REGISTRY_TARBALL = /^\/(?:download\/@.+|.+\.tgz)$/;
/** What an installer asks for when it wants a packument. */
const ACCEPTS_PACKUMENT = "application/vnd.npm.install-v1+json";
/** npm 11 asks for the full one, which is JSON as any other, and says what it is in a field of its own (pacote). */
const REQUEST_TYPE = "pacote-req-type";
/** A scoped name as npm clients write it, `@scope%2fname`, last in the path of any registry. */
const SCOPED = /\/@[^/%]+%2f[^/]+$/i;
/** `/name` or `/@scope/name`. */
const PACKUMENT = /^\/(?:@[^/]+\/)?[^/@-][^/]*$/;

/** npm registries. What lies under `/-/` beside tarballs (audits, search, tags, keys) is *other*. */
export const npm: PackageFormat = {
  name: "npm",
  classify(target, request) {
    const path = pathOf(target);
    const isRegistry = REGISTRIES.has(target.host);
    if (TARBALL.test(path) || (isRegistry && REGISTRY_TARBALL.test(path))) return PAYLOAD;
    if (path.includes("/-/")) return undefined;
    const isAskedFor = String(request["accept"]).includes(ACCEPTS_PACKUMENT) || request[REQUEST_TYPE] === "packument";
    return isAskedFor || SCOPED.test(path) || (isRegistry && PACKUMENT.test(path)) ? ROOT : undefined;
  },
  locate: locateNpm,
  isLocatedByUri: false,
  rewritePage: rewritePackument,
};
