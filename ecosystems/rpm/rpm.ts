import type { Classification } from "../ecosystem.ts";
import type { PackageFormat } from "../package-format.ts";
import { pathOf } from "../path.ts";
import { rewriteMirrors } from "./links.ts";
import { locateRpm } from "./locate.ts";

const PAYLOAD: Classification = { class: "payload", ecosystem: "rpm", coding: "identity" };
const ROOT: Classification = { class: "root", ecosystem: "rpm", coding: "identity" };
const SIGNATURE_SUFFIX = ".asc";
const SIGNED_ROOT: Classification = { ...ROOT, signature: { kind: "detached", suffix: SIGNATURE_SUFFIX } };
const SIGNATURE: Classification = { ...ROOT, signs: SIGNATURE_SUFFIX };
const MEMBER: Classification = { class: "member", ecosystem: "rpm", coding: "identity" };

/** Packages and delta packages. */
const PACKAGE = /\.d?rpm$/;
/** `repomd.xml` with its signature and key. */
const REPOMD = /\/repodata\/repomd\.xml(\.asc|\.key)?$/;
/** zypper's media files and repository index, Anaconda's list of an installation tree. */
const TREE_ROOT = /\/(?:media\.1\/(?:media|products)|repoindex\.xml|\.?treeinfo)$/;
/**
 * Lists of mirrors: Fedora's and the RHEL-likes' services, and what MirrorCache and MirrorBrain add to a file's name.
 */
const MIRRORS = /(?:\/metalink|\/mirrorlist(?:\/.*)?|\/mirror\.list|\.(?:metalink|meta4|mirrorlist))$/;
const REPODATA = /\/repodata\/[^/]+$/;

/** RPM repositories as createrepo_c makes them: Fedora, the RHEL family, openSUSE. */
export const rpm: PackageFormat = {
  name: "rpm",
  classify(target) {
    const path = pathOf(target);
    if (PACKAGE.test(path)) return PAYLOAD;
    const repomd = REPOMD.exec(path);
    if (repomd !== null) return ofRepomd(repomd[1]);
    if (MIRRORS.test(path) || TREE_ROOT.test(path)) return ROOT;
    if (REPODATA.test(path)) return MEMBER;
    // mirrorlist.centos.org and its kin answer at the root, by query.
    return path === "/" && target.host.startsWith("mirrorlist.") ? ROOT : undefined;
  },
  locate: locateRpm,
  isLocatedByUri: true,
  rewritePage: rewriteMirrors,
};

function ofRepomd(extension: string | undefined): Classification {
  if (extension === undefined) return SIGNED_ROOT;
  return extension === SIGNATURE_SUFFIX ? SIGNATURE : ROOT;
}
