import type { Declaration, DigestAlgorithm } from "../core/declaration.ts";
import { LarderError } from "../core/errors.ts";
import type { EcosystemName } from "./ecosystem.ts";

/** What a document of metadata is; each kind has one reader (readers.ts). */
export type DocumentKind =
  | "deb-inrelease"
  | "deb-release"
  | "deb-packages"
  | "deb-sources"
  | "deb-pdiff-index"
  | "rpm-repomd"
  | "rpm-primary"
  | "rpm-deltainfo"
  | "rpm-metalink"
  | "rpm-mirrorlist"
  | "pypi-simple"
  | "nix-narinfo"
  | "npm-packument";

/** How a document is packed, as its name tells it; the bytes themselves have the last word (learn/unpack/decode.ts). */
export type Compression = "plain" | "gzip" | "xz" | "zstd" | "bzip2" | "zchunk";

/** A document for which there is a reader. */
export interface MetadataDocument {
  readonly kind: DocumentKind;
  /** `undefined` when the name does not tell, as below `by-hash/`. */
  readonly compression: Compression | undefined;
}

/** A document of a repository, and the repository that it speaks about. */
export interface RepositoryPlace {
  readonly role: "root" | "member";
  readonly ecosystem: EcosystemName;
  readonly document: MetadataDocument;
  /** The URL prefix of the repository, in the form of {@link canonicalUri}; ends in `/`. */
  readonly base: string;
  /** The document's own path below `base`, canonical as well. */
  readonly path: string;
  /**
   * Which root of the repository a root is: the folder of a Release file (`dists/bookworm/`; empty in a flat repository
   * and for rpm), a narinfo's name, the whole URI of what says different things at different places (a project's page).
   * A member's URI does not tell how much of it is the suite: its scope is that of the root that declares it.
   */
  readonly scope: string | undefined;
}

/** A list of the mirrors of one repository. */
export interface MirrorsPlace {
  readonly role: "mirrors";
  readonly ecosystem: EcosystemName;
  readonly document: MetadataDocument;
  /**
   * The repository itself, where the list stands beside it; the mirrors that a service names are known by reading only.
   */
  readonly base: string | undefined;
}

export type MetadataPlace = RepositoryPlace | MirrorsPlace;

/** One digest of a file, in lower-case hex. */
export interface DeclaredDigest {
  readonly algorithm: DigestAlgorithm;
  readonly digest: string;
}

/** What is known of a file by declaration. */
export interface DeclaredContent {
  /** Strongest first, never empty; sha1 and md5 only where nothing stronger is told. */
  readonly digests: readonly DeclaredDigest[];
  readonly bytes: Declaration["bytes"];
}

/** "In this repository, this path has these digests and this size." */
export interface Declared extends DeclaredContent {
  readonly kind: "payload" | "member";
  /** Relative to the repository's base, canonical (repository-path.ts): no leading `/`, no `.` or `..`. */
  readonly path: string;
  /**
   * Where else `path` is below, when the document points outside its repository: a delegation decides on believing it.
   */
  readonly base: string | undefined;
  /** A compressed member once unpacked, where its root tells it. */
  readonly opened: DeclaredContent | undefined;
  /** A member that has declarations of its own. */
  readonly document: MetadataDocument | undefined;
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly arch: string | undefined;
  /** When it was published, where the index tells it (PEP 700, npm's `time`). */
  readonly publishedMs: number | undefined;
}

/** What a root says about itself. */
export interface RootFacts {
  readonly publishedMs: number | undefined;
  /** Valid-Until: after it, apt refuses the root. */
  readonly expiresMs: number | undefined;
  readonly origin: string | undefined;
  readonly suite: string | undefined;
  readonly codename: string | undefined;
  readonly revision: string | undefined;
}

/** What a list of mirrors says about one repository. */
export interface Mirrors {
  /** Base URLs in the form of {@link RepositoryPlace.base}, best first, each once. */
  readonly bases: readonly string[];
  /** The roots that a mirror may serve, newest first; empty when the list tells none. Each is right: mirrors lag. */
  readonly roots: readonly MirroredRoot[];
}

export interface MirroredRoot extends DeclaredContent {
  /** Relative to each of the bases. */
  readonly path: string;
  readonly publishedMs: number | undefined;
}

/** The end of a document that was read whole. */
export interface ReadOutcome {
  /** How many declarations were emitted. */
  readonly declared: number;
  /**
   * How many files were described in a way that cannot be believed: outside the repository, without digest, in
   * contradiction.
   */
  readonly skipped: number;
  /**
   * Paths that were emitted and then declared once more with other content: nothing may be believed about them, so
   * their declarations must be taken back. With the base before the path, where a declaration has one of its own.
   */
  readonly ambiguous: ReadonlySet<string>;
  readonly root: RootFacts | undefined;
  readonly mirrors: Mirrors | undefined;
}

/**
 * Reads one document, unpacked, as it passes. Declarations are emitted in the order of the document; none of them may
 * be believed before `finish` has returned.
 */
export interface MetadataReader {
  /**
   * @throws LarderError `METADATA_BROKEN`: nothing of the document may be believed, and the reader is of no more use.
   */
  push(chunk: Uint8Array): void;
  /** Ends the document; call it once. @throws LarderError `METADATA_BROKEN` when it is cut short. */
  finish(): ReadOutcome;
}

export type Emit = (declared: Declared) => void;

/** The error of every reader and decoder. @param reason a clause that tells what is wrong with the document. */
export function brokenMetadata(reason: string, cause?: unknown): LarderError {
  return new LarderError("METADATA_BROKEN", `nothing is learnt from this document: ${reason}`, {
    details: { reason },
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Runs a step of a format's parser; what it rejects becomes `METADATA_BROKEN`, a LarderError passes as it is.
 * @throws LarderError
 */
export function parseAs(format: "JSON" | "XML", step: () => void): void {
  try {
    step();
  } catch (error) {
    if (error instanceof LarderError) throw error;
    const detail = error instanceof Error ? error.message.slice(0, 200) : String(error);
    throw brokenMetadata(`it is not well-formed ${format}: ${detail}`, error);
  }
}
