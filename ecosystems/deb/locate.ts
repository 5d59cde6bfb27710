import type { TargetUri } from "../../core/target.ts";
import type { MetadataDocument, RepositoryPlace } from "../metadata.ts";
import { canonicalUri } from "../repository-path.ts";
import { debDocument } from "./documents.ts";

const ROOTS: ReadonlyMap<string, MetadataDocument> = new Map([
  ["InRelease", { kind: "deb-inrelease", compression: "plain" }],
  ["Release", { kind: "deb-release", compression: "plain" }],
]);
/** The short Release of one component and architecture: a member without digests. */
const COMPONENT_RELEASE = /\/(?:binary-[^/]+|source)\/Release$/;

/**
 * Says which document of which Debian repository a URI names; `undefined` when it names none that can be read.
 * What the names in a flat repository are relative to, its URI does not tell: its base is its own folder.
 */
export function locateDeb(target: TargetUri): RepositoryPlace | undefined {
  const uri = canonicalUri(target);
  if (uri === undefined || COMPONENT_RELEASE.test(uri)) return undefined;
  const root = ROOTS.get(uri.slice(uri.lastIndexOf("/") + 1));
  const document = root ?? debDocument(uri);
  if (document === undefined) return undefined;
  const suites = suitesIn(uri);
  const base = uri.slice(0, suites ?? endOfFolder(uri, document));
  const place = { ecosystem: "deb", document, base, path: uri.slice(base.length) } as const;
  if (root === undefined) return { ...place, role: "member", scope: undefined };
  return { ...place, role: "root", scope: place.path.slice(0, place.path.lastIndexOf("/") + 1) };
}

const DISTS = "/dists/";

/** Where `dists/` begins, the last one with a suite below; `undefined` in a flat repository. */
function suitesIn(uri: string): number | undefined {
  const endOfAuthority = uri.indexOf("/", "https://".length);
  for (let at = uri.lastIndexOf(DISTS); at >= endOfAuthority; at = uri.lastIndexOf(DISTS, at - 1))
    if (uri.includes("/", at + DISTS.length)) return at + 1;
  return undefined;
}

/** The end of the folder of a flat repository: a pdiff index stands one folder below the index that it is about. */
function endOfFolder(uri: string, document: MetadataDocument): number {
  const end = uri.lastIndexOf("/");
  return (document.kind === "deb-pdiff-index" ? uri.lastIndexOf("/", end - 1) : end) + 1;
}
