import type { Classification } from "../ecosystem.ts";
import type { PackageFormat } from "../package-format.ts";
import { nameOf, pathOf } from "../path.ts";
import { locateDeb } from "./locate.ts";

const PAYLOAD: Classification = { class: "payload", ecosystem: "deb", coding: "identity" };
const ROOT: Classification = { class: "root", ecosystem: "deb", coding: "identity" };
const SIGNATURE_SUFFIX = ".gpg";
/** Roots that are signed, around the text or beside it. */
const IN_RELEASE: Classification = { ...ROOT, signature: { kind: "clearsigned" }, otherwise: "Release" };
const RELEASE: Classification = { ...ROOT, signature: { kind: "detached", suffix: SIGNATURE_SUFFIX } };
const RELEASE_GPG: Classification = { ...ROOT, signs: SIGNATURE_SUFFIX };
const MEMBER: Classification = { class: "member", ecosystem: "deb", coding: "identity" };

/** Binary packages, installer packages, debug packages. */
const BINARY = /\.(?:deb|udeb|ddeb)$/;
/** Parts of a source package that are known anywhere by their telling names. */
const SOURCE = /^[^_]+_.+\.(?:dsc|diff\.gz|(?:orig(?:-[^.]+)?|debian)\.tar\.[a-z0-9]+(?:\.asc)?)$/;
/** Native tarballs and their like are known in a pool only. */
const SOURCE_IN_POOL = /^[^_]+_.+\.tar\.[a-z0-9]+(?:\.asc)?$/;
/** `dists/<suite>/InRelease`, or anywhere in a flat repository. */
const RELEASES: ReadonlyMap<string, Classification> = new Map([
  ["InRelease", IN_RELEASE],
  ["Release", RELEASE],
  ["Release.gpg", RELEASE_GPG],
]);
/** The short Release of one component, which the suite's Release declares. */
const COMPONENT_RELEASE = /\/(?:binary-[^/]+|source)\/Release$/;
const INDEX = /^(?:Packages|Sources)(?:\.(?:gz|bz2|xz|lzma|zst|lz4))?$/;
/** What only the layout with `dists/` has: Contents, translations, AppStream data, command-not-found. */
const SUITE_INDEX = /^(?:Contents|Translation|Components|Commands|icons)-.|^Index$/;
const BY_HASH = /\/by-hash\/(?:MD5Sum|SHA1|SHA256|SHA512)\/[0-9a-f]+$/;
/** The patches to an index and the list of them, `Packages.diff/Index`. */
const PDIFF = /\/(?:Packages|Sources|Contents-[^/]+|Translation-[^/]+)\.diff\/[^/]+$/;

/**
 * Debian and its derivatives: suites under `dists/`, flat repositories, PPAs.
 * @see https://wiki.debian.org/DebianRepository/Format
 */
export const deb: PackageFormat = {
  name: "deb",
  classify(target) {
    const path = pathOf(target);
    const name = nameOf(path);
    if (BINARY.test(name) || SOURCE.test(name)) return PAYLOAD;
    if (SOURCE_IN_POOL.test(name) && path.includes("/pool/")) return PAYLOAD;
    const release = RELEASES.get(name);
    if (release !== undefined) return COMPONENT_RELEASE.test(path) ? MEMBER : release;
    if (INDEX.test(name) || BY_HASH.test(path) || PDIFF.test(path)) return MEMBER;
    return SUITE_INDEX.test(name) && path.includes("/dists/") ? MEMBER : undefined;
  },
  locate: locateDeb,
  isLocatedByUri: true,
};
