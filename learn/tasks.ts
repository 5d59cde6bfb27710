import type { DigestAlgorithm } from "../core/declaration.ts";
import type { Digest } from "../core/digest.ts";
import type { Realm } from "../core/entry.ts";
import type { DeclaredContent, MetadataDocument } from "../ecosystems/metadata.ts";

/** What became of a document that was handed in to be learnt. */
export type LearnOutcome =
  /** It was read; what it declares is known from now on. */
  | { readonly kind: "learnt"; readonly declarations: number; readonly skipped: number }
  /** It had been read before, here or at another mirror. */
  | { readonly kind: "known" }
  /** Nobody declares it as metadata of a repository, or there is no reader for it. */
  | { readonly kind: "ignored" }
  /** The document is at fault: nothing is learnt from it. */
  | { readonly kind: "broken"; readonly reason: string }
  /** Something else is: it may go well another time. */
  | { readonly kind: "failed"; readonly reason: string };

/** The bytes of a document, as they were stored. */
interface Stored {
  readonly digest: Digest;
  readonly file: string;
  /** What is in no file, because it may not be stored. */
  readonly bytes?: Uint8Array | undefined;
  /** The Content-Encoding that their origin gave them. */
  readonly coding?: string | undefined;
  readonly realm: Realm;
  /** When they were seen. */
  readonly atMs: number;
}

/** A root, which stands at a base from now on. */
export interface RootTask extends Stored {
  readonly kind: "root";
  readonly uri: string;
  readonly ecosystem: string;
  readonly base: string;
  readonly path: string;
  readonly scope: string;
  readonly document: MetadataDocument;
}

/** A file that some root declares to be an index. */
export interface MemberTask extends Stored {
  readonly kind: "member";
  readonly ecosystem: string;
  readonly base: string;
  readonly path: string;
}

/** A list of mirrors. */
export interface MirrorsTask extends Stored {
  readonly kind: "mirrors";
  readonly uri: string;
  readonly ecosystem: string;
  /** The repository itself, where the list tells. */
  readonly base: string | undefined;
  readonly document: MetadataDocument;
}

/** Bases that the user says are one repository. */
export interface ConfiguredRepository {
  readonly name: string;
  readonly ecosystem: string;
  /** Canonical, best first. */
  readonly bases: readonly string[];
}

/** What configuration says now, in place of what it said before. */
export interface ConfiguredTask {
  readonly kind: "configured";
  readonly repositories: readonly ConfiguredRepository[];
  readonly atMs: number;
}

/** Removes some of what nothing leads to any more. */
export interface CollectTask {
  readonly kind: "collect";
  readonly atMs: number;
}

/** Names a blob by another digest. */
export interface HashTask {
  readonly kind: "hash";
  readonly file: string;
  readonly algorithm: DigestAlgorithm;
}

export type LearnTask = RootTask | MemberTask | MirrorsTask | ConfiguredTask;

/** What the main thread asks of the worker, one at a time. */
export type Task = LearnTask | CollectTask | HashTask;

/** What the worker answers to any task. */
export type TaskResult =
  | LearnOutcome
  | { readonly kind: "collected"; readonly isMoreLeft: boolean }
  /** Lower-case hex. */
  | { readonly kind: "hashed"; readonly digest: string };

/** What it takes to read a member, as the declaration of it keeps it. */
export interface MemberReading {
  readonly document: MetadataDocument;
  /** What it has to be once it is unpacked, where its root tells. */
  readonly opened: DeclaredContent | undefined;
}
