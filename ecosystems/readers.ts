import { packagesReader } from "./deb/packages.ts";
import { namesRelativeTo } from "./deb/paths.ts";
import { pdiffIndexReader } from "./deb/pdiff-index.ts";
import { ReleaseReader } from "./deb/release.ts";
import { sourcesReader } from "./deb/sources.ts";
import type { DocumentKind, Emit, MetadataReader } from "./metadata.ts";
import { NarinfoReader } from "./nix/narinfo.ts";
import { PackumentReader } from "./npm/packument.ts";
import { SimpleReader } from "./pypi/simple.ts";
import { DeltainfoReader } from "./rpm/deltainfo.ts";
import { MetalinkReader } from "./rpm/metalink.ts";
import { MirrorlistReader } from "./rpm/mirrorlist.ts";
import { PrimaryReader } from "./rpm/primary.ts";
import { RepomdReader } from "./rpm/repomd.ts";

/** Where a document is: in the repository of this base, at this path. */
export interface DocumentPlace {
  readonly base: string;
  readonly path: string;
}

/**
 * The reader of each kind of document. With the parsers behind them they take 60 ms to load, so only the thread that
 * reads does.
 */
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
  "pypi-simple": (place, emit) => new SimpleReader(place, emit),
  "nix-narinfo": ({ base }, emit) => new NarinfoReader(base, emit),
  "npm-packument": (place, emit) => new PackumentReader(place, emit),
};

/**
 * Makes the reader of one document.
 * @param place of a root: where `locateMetadata` of locate.ts found it; of a member: its root's base, and the path that
 * the root declares; of a list of mirrors: does not matter.
 */
export function openReader(kind: DocumentKind, place: DocumentPlace, emit: Emit): MetadataReader {
  return READERS[kind](place, emit);
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}
