import type { TargetUri } from "../core/target.ts";
import { locateDeb } from "./deb-locate.ts";
import { packagesReader } from "./deb-packages.ts";
import { namesRelativeTo } from "./deb-paths.ts";
import { pdiffIndexReader } from "./deb-pdiff-index.ts";
import { ReleaseReader } from "./deb-release.ts";
import { sourcesReader } from "./deb-sources.ts";
import type { DocumentKind, Emit, MetadataPlace, MetadataReader } from "./metadata.ts";
import { DeltainfoReader } from "./rpm-deltainfo.ts";
import { locateRpm } from "./rpm-locate.ts";
import { MetalinkReader } from "./rpm-metalink.ts";
import { MirrorlistReader } from "./rpm-mirrorlist.ts";
import { PrimaryReader } from "./rpm-primary.ts";
import { RepomdReader } from "./rpm-repomd.ts";

/** Where a document is: in the repository of this base, at this path. */
export interface DocumentPlace {
  readonly base: string;
  readonly path: string;
}

/** The reader of each kind of document. */
const READERS: Readonly<Record<DocumentKind, (place: DocumentPlace, emit: Emit) => MetadataReader>> = {
  "deb-inrelease": ({ path }, emit) => new ReleaseReader(folderOf(path), true, emit),
  "deb-release": ({ path }, emit) => new ReleaseReader(folderOf(path), false, emit),
  "deb-packages": (place, emit) => packagesReader(namesRelativeTo(place), emit),
  "deb-sources": (place, emit) => sourcesReader(namesRelativeTo(place), emit),
  "deb-pdiff-index": ({ path }, emit) => pdiffIndexReader(folderOf(path), emit),
  "rpm-repomd": ({ base }, emit) => new RepomdReader(base, emit),
  "rpm-primary": ({ base }, emit) => new PrimaryReader(base, emit),
  "rpm-deltainfo": (_, emit) => new DeltainfoReader(emit),
  "rpm-metalink": () => new MetalinkReader(),
  "rpm-mirrorlist": () => new MirrorlistReader(),
};

const LOCATORS = [locateDeb, locateRpm];

/** Says which document of metadata a URI names, and about which repository; `undefined` when there is no reader for it. */
export function locateMetadata(target: TargetUri): MetadataPlace | undefined {
  for (const locate of LOCATORS) {
    const place = locate(target);
    if (place !== undefined) return place;
  }
  return undefined;
}

/**
 * Makes the reader of one document.
 * @param place of a root: where {@link locateMetadata} found it; of a member: its root's base, and the path that the root
 * declares; of a list of mirrors: does not matter.
 */
export function openReader(kind: DocumentKind, place: DocumentPlace, emit: Emit): MetadataReader {
  return READERS[kind](place, emit);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}
