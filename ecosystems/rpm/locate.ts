import type { TargetUri } from "../../core/target.ts";
import type { Compression, MetadataDocument, MetadataPlace } from "../metadata.ts";
import { pathOf } from "../path.ts";
import { canonicalUri } from "../repository-path.ts";

const REPOMD: MetadataDocument = { kind: "rpm-repomd", compression: "plain" };
const METALINK: MetadataDocument = { kind: "rpm-metalink", compression: "plain" };
const MIRRORLIST: MetadataDocument = { kind: "rpm-mirrorlist", compression: "plain" };

/** Where every list of mirrors ends, and where the root is below a base. */
export const REPOMD_PATH = "repodata/repomd.xml";
const REPODATA = /^(.*\/)(repodata\/[^/]+)$/;
/** createrepo_c puts a digest before the name. */
const INDEX = /(?:^|[/-])(primary|deltainfo|prestodelta)\.xml(?:\.(gz|xz|zst|bz2|zck))?$/;
/** MirrorCache and MirrorBrain (openSUSE) answer so beside the file itself. */
const METALINK_OF_REPOMD = /^(.*\/)repodata\/repomd\.xml\.(?:metalink|meta4)$/;
/** mirrormanager (Fedora, EPEL, CentOS Stream). */
const METALINK_SERVICE = /\/metalink$/;
/** Rocky and AlmaLinux; Amazon Linux. */
const MIRRORLIST_SERVICE = /\/mirrorlist(?:\/[^/]+)*$|\/mirror\.list$/;

const COMPRESSIONS: Readonly<Record<string, Compression>> = {
  gz: "gzip",
  xz: "xz",
  zst: "zstd",
  bz2: "bzip2",
  zck: "zchunk",
};

/** Which document of an RPM repository a path names, by createrepo_c's names, if there is a reader for it. */
function rpmDocument(path: string): MetadataDocument | undefined {
  const index = INDEX.exec(path);
  if (index === null) return undefined;
  const kind = index[1] === "primary" ? "rpm-primary" : "rpm-deltainfo";
  return { kind, compression: rpmCompression(path) };
}

/** How a file of repodata is packed, by its name. */
export function rpmCompression(path: string): Compression {
  return COMPRESSIONS[path.slice(path.lastIndexOf(".") + 1)] ?? "plain";
}

/**
 * Says which document of which RPM repository a URI names, or that it is a list of mirrors; `undefined` when it names
 * nothing that can be read.
 */
export function locateRpm(target: TargetUri): MetadataPlace | undefined {
  const uri = canonicalUri(target);
  const [, base, path] = REPODATA.exec(uri ?? "") ?? [];
  if (base === undefined || path === undefined) return locateMirrors(target, uri);
  if (path === REPOMD_PATH) return { role: "root", ecosystem: "rpm", document: REPOMD, base, path, scope: "" };
  const document = rpmDocument(path);
  if (document !== undefined) return { role: "member", ecosystem: "rpm", document, base, path, scope: undefined };
  return locateMirrors(target, uri);
}

/** Services take the repository in the query. */
function locateMirrors(target: TargetUri, uri: string | undefined): MetadataPlace | undefined {
  const path = pathOf(target);
  const beside = METALINK_OF_REPOMD.exec(uri ?? "");
  if (beside !== null) return { role: "mirrors", ecosystem: "rpm", document: METALINK, base: beside[1] };
  if (METALINK_SERVICE.test(path)) return { role: "mirrors", ecosystem: "rpm", document: METALINK, base: undefined };
  // mirrorlist.centos.org and its kin answer at the root.
  const isService = MIRRORLIST_SERVICE.test(path) || (path === "/" && target.host.startsWith("mirrorlist."));
  return isService ? { role: "mirrors", ecosystem: "rpm", document: MIRRORLIST, base: undefined } : undefined;
}
