import type { Digest } from "../../core/digest.ts";

/** How far a long piece of work has come. */
export interface Progress {
  /** What is being done, as one word. */
  readonly step: string;
  /** Rows, blobs or files seen so far. */
  readonly done: number;
  readonly total?: number;
  /** Bytes that went with them, where bytes say more than the count. */
  readonly bytes?: number;
}

/**
 * Who waits for a long piece of work, and may lose patience: it ends after the batch under way, with what was done by
 * then.
 */
export interface Watch {
  readonly signal: AbortSignal;
  onProgress(progress: Progress): void;
}

/** What became of work that could be interrupted. */
interface Outcome {
  /** It was ended before all was done; what was done stays done. */
  readonly isInterrupted: boolean;
}

/** What is to be evicted; both bounds hold when both are given, and neither means the limit of the store. */
export interface CollectOrder {
  /** What the blobs may take afterwards, in bytes. */
  readonly maxBytes?: number;
  /** Blobs that were not used for so long go. */
  readonly olderThanMs?: number;
}

export interface Collected extends Outcome {
  /** What was evicted. */
  readonly blobs: number;
  readonly bytes: number;
  /** Files below `blobs/` that no row named. */
  readonly unnamedFiles: number;
}

/** Entries of every method, variant and realm whose URI matches. */
export interface PurgeOrder {
  /** As {@link parseUriPattern} reads it. */
  readonly pattern: string;
}

export interface Purged extends Outcome {
  readonly entries: number;
  /** Blobs that nothing named any more. */
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs of those entries that stay because they are pinned. */
  readonly pinnedBlobs: number;
}

/** Blobs by their digest, by eight or more of its first digits, or by a pattern over the URIs of their entries. */
export interface PinOrder {
  readonly what: readonly string[];
}

/** A pin as the ledger keeps it: it holds for one root, and outlives the blob. */
export interface Pin {
  readonly digest: Digest;
  /** A URI whose entry named the blob when it was pinned; `undefined` when none did. */
  readonly uri: string | undefined;
  readonly pinnedMs: number;
}

export interface PinsChanged extends Outcome {
  readonly pins: readonly Pin[];
}

/** Something that a reader holds to be wrong; whoever writes the store looks a second time before it is condemned. */
export type Suspicion =
  /** A blob whose file is missing or has another length or digest. */
  | { readonly of: "blob"; readonly digest: Digest }
  /** A row that cannot be read. */
  | { readonly of: "entry"; readonly rowId: number }
  /** A file below `blobs/sha256/` that no row names. */
  | { readonly of: "orphan"; readonly file: string }
  /** A file in `staging/` that is nobody's. */
  | { readonly of: "staging"; readonly file: string };

/** sound: it was not so, or is no longer. repaired: it is gone. condemned: it is there, and is not served. */
export type Verdict = "sound" | "condemned" | "repaired";

export interface JudgeOrder {
  readonly suspicions: readonly Suspicion[];
  /** Remove what is condemned. */
  readonly repair: boolean;
}

export interface Judged {
  /** In the order of the suspicions. */
  readonly verdicts: readonly Verdict[];
}

/**
 * What commands may have done to a store: by the larder that serves it, over its control socket, or by themselves under
 * its lock. Orders and results are plain JSON.
 */
export interface StoreKeeping {
  /** Evicts, least recently used first and roots and members last, and removes files that nothing names. */
  collect(order: CollectOrder, watch: Watch): Promise<Collected>;
  purge(order: PurgeOrder, watch: Watch): Promise<Purged>;
  /**
   * @returns the pins made; those that were there before are among them.
   * @throws LarderError `USAGE` when nothing is meant
   */
  pin(order: PinOrder, watch: Watch): Promise<PinsChanged>;
  /** @returns the pins taken away. @throws LarderError `USAGE` when there is no such pin */
  unpin(order: PinOrder, watch: Watch): Promise<PinsChanged>;
  judge(order: JudgeOrder, watch: Watch): Promise<Judged>;
}
