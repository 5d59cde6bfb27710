import type { Declaration, DigestAlgorithm } from "../core/declaration.ts";
import type { Digest } from "../core/digest.ts";
import type { Realm } from "../core/entry.ts";

/** A declaration, and who made it. */
export interface DeclaredAs {
  readonly declaration: Declaration;
  /** The document that declares it. */
  readonly declaredBy: Digest;
  /** The root of the generation that the document is part of, as it was seen for this base. */
  readonly root: RootSeen;
}

export interface RootSeen {
  readonly uri: string;
  readonly digest: Digest;
  readonly seenMs: number;
}

/** What is declared about one file of a repository. */
export interface DeclaredResource extends DeclaredAs {
  readonly kind: "payload" | "member";
  /** Whether it declares more itself: a member that is worth learning. */
  readonly isIndex: boolean;
  readonly ecosystem: string;
  readonly realm: Realm;
  /** The URL prefix of the repository, and the path below it; both canonical. */
  readonly base: string;
  readonly path: string;
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly arch: string | undefined;
  /** When it was published, where an index that declares the same bytes tells it. */
  readonly publishedMs: number | undefined;
  /** What other live generations declare about the same file where it differs, the next best first. */
  readonly alternatives: readonly DeclaredAs[];
}

/** A document that was read: its bytes, and the part of its place that what it says depends on. */
export interface DocumentKey {
  readonly ecosystem: string;
  readonly scope: string;
  readonly digest: Digest;
}

export interface FindOptions {
  readonly realm: Realm;
  readonly nowMs: number;
  /** Tells the roots that the client took last; their generations go before newer ones. */
  readonly prefers?: (root: Digest) => boolean;
}

/** A blob that may be served by digest alone. */
export interface FoundBlob {
  readonly digest: Digest;
  readonly bytes: number;
}

export interface DeclarationCounts {
  /** URL prefixes that something is declared about. */
  readonly bases: number;
  /** Roots that stand at some base. */
  readonly generations: number;
  readonly documents: number;
  readonly declarations: number;
}

/**
 * What repositories declare about their files, as the proxy asks it: synchronous and cheap, for it is asked on every
 * request. Nothing here throws; where the disk fails, nothing is declared, and that is logged once. The learning worker
 * writes it.
 */
export interface DeclarationIndex {
  /**
   * What is declared about a URI by the generation that the client prefers, else by the newest; a base's own roots go
   * before those of its mirrors. `undefined` when nothing is.
   * @param uri canonical (ecosystems/repository-path.ts)
   */
  find(uri: string, options: FindOptions): DeclaredResource | undefined;
  /**
   * Where else the file can be had: below the mirrors of its base, best first, then where the project's page at another
   * index declares the same bytes, then wherever the same root stands. Never by http what was asked by https.
   */
  alternateUris(resource: DeclaredResource, nowMs: number): readonly string[];
  /** The other bases of the same repository, as mirror lists and configuration name them, best first. */
  mirrorsOf(base: string, options: Pick<FindOptions, "realm" | "nowMs">): readonly string[];
  /**
   * Other URIs below the same base for which the same root declares the same bytes: the `by-hash/` names of a member.
   */
  otherNames(resource: DeclaredResource): readonly string[];
  /** Whether the document was read and is still kept: then there is nothing to learn from it. */
  isKnown(document: DocumentKey): boolean;
  /**
   * A stored blob with that digest, if anybody or that realm may have it. Only strong digests lead to a blob: sha1 and
   * md5 can tell that bytes are wrong, never that they are right.
   */
  findBlob(declaration: Declaration, realm: Realm): FoundBlob | undefined;
  /**
   * The blob that was last seen to have that digest, weak ones too: enough to know again what came from the same place,
   * not to take it from another.
   */
  blobSeenWith(declaration: Declaration): Digest | undefined;
  /** What a root declares itself: the nar of a narinfo. `undefined` when it was not read. */
  payloadsOf(document: DocumentKey): readonly Declaration[] | undefined;
  /** Notes that the bytes of a blob were seen to have that digest, too. */
  noteAlias(algorithm: DigestAlgorithm, digest: string, blob: Digest): void;
  /** Notes that a stored root and the payloads that it declares live and die together: a narinfo and its nar. */
  noteCompanions(root: Digest, payloads: readonly Declaration[]): void;
  /** The strong digests other than sha256 by which anything is declared. */
  strongAliases(): readonly DigestAlgorithm[];
  /** Notes that the realm may have the blob: its origin said so. */
  grant(blob: Digest, realm: Realm): void;
  readonly quarantine: Quarantine;
  readonly unproven: UnprovenAnswers;
  readonly takenRoots: TakenRootLog;
  /** Whether configuration named bases as one repository, now or at an earlier start. */
  hasConfigured(): boolean;
  counts(): DeclarationCounts;
  /** Looks again which bases there are; the learner calls it after whatever it wrote. */
  refresh(): void;
  close(): void;
}

/**
 * Answers whose beginning went out before all of it was verified: a client may hold wrong bytes, and must never be
 * given the rest of the right ones. Kept on disk, for clients come back after a restart, too.
 */
export interface UnprovenAnswers {
  /**
   * @param place which bytes for whom: several answers of one key can be under way
   * @returns false when the same was noted before: then it is not for the caller to clear it.
   */
  note(key: string, place: string, times: { readonly nowMs: number; readonly untilMs: number }): boolean;
  /** Whether anything that went out for the key is unproven. */
  has(key: string, nowMs: number): boolean;
  /** What went out has proved right. */
  clear(key: string, place: string): void;
}

/** A client's generation of one repository. */
export interface TakenRoot {
  readonly client: string;
  /** Base and scope of the root. */
  readonly place: string;
  readonly root: Digest;
}

export interface TakenRootLog {
  note(taken: TakenRoot, nowMs: number): void;
  /** Those of the last day, the oldest first. */
  all(nowMs: number): readonly TakenRoot[];
}

/** Bases that gave wrong bytes for a path, with a back-off that doubles each time. */
export interface Quarantine {
  /** @returns until when others are to be asked for that path instead. */
  add(base: string, path: string, nowMs: number): number;
  /** Until when others are to be asked for that path instead; `undefined` when the base may be asked. */
  until(base: string, path: string, nowMs: number): number | undefined;
  /** When the base last gave wrong bytes for that path; `undefined` when that is forgotten. */
  lastWrongMs(base: string, path: string): number | undefined;
  /** The base gave right bytes. */
  clear(base: string, path: string): void;
}
