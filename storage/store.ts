import type { Digest } from "../core/digest.ts";
import type { ByteRange, Entry, EntryKey } from "../core/entry.ts";
import type { LarderError } from "../core/errors.ts";
import type { RawFields } from "../core/fields.ts";

/** A response about to be stored: an entry without what only the store can know. */
export type EntryDraft = Omit<Entry, "digest" | "bytes" | "storedMs">;

/** What freshening by a 304 changes (RFC 9111 §4.3.4). */
export type EntryFreshening = Pick<Entry, "fields" | "requestMs" | "responseMs">;

export interface Sealed {
  readonly digest: Digest;
  readonly bytes: number;
}

/**
 * A body on its way into the store: append, read while it grows, seal, then commit or abort, and close at the end.
 *
 * A fault of the disk never fails a download: nothing here rejects because of one. `fault` is set, hashing goes on,
 * what is not on disk stays in memory, and the caller bounds that memory with {@link Staging.forget}.
 */
export interface Staging {
  readonly appendedBytes: number;
  /** Why this body cannot be committed (disk full, read-only …); `undefined` while all is well. */
  readonly fault: LarderError | undefined;
  /**
   * Hashes and keeps the chunk, which the caller must not change afterwards. Resolves when more may come. Never
   * rejects.
   */
  append(chunk: Buffer): Promise<void>;
  /**
   * At least one and at most `maxBytes` bytes from `position`, from memory when they are recent, else from the file.
   * `position` must be below `appendedBytes`. Works until `close`, also after commit and abort.
   * @throws LarderError `STORE_UNREADABLE` when those bytes are gone: forgotten after a fault.
   */
  read(position: number, maxBytes: number): Promise<Buffer>;
  /** After a fault only: every reader has passed `position`, memory before it may go. */
  forget(position: number): void;
  /**
   * Ends the body: everything is flushed and hashed. Call once, after the last `append` has resolved. Never rejects.
   */
  seal(): Promise<Sealed>;
  /**
   * Publishes the sealed body under its digest and the entry that names it: rename, then row. Replaces an entry of the
   * same key, variant and realm. @throws LarderError `STORE_UNWRITABLE` after a fault.
   */
  commit(draft: EntryDraft): Promise<Entry>;
  /**
   * Ends a body that broke off: its beginning is kept for a day, after `close`, to be taken up by {@link Store.takeUp},
   * where it was staged as one that can be; else this is {@link Staging.abort}.
   */
  suspend(): Promise<void>;
  /**
   * Removes the staging file; what was appended stays readable until `close`. Idempotent; does nothing after commit.
   */
  abort(): Promise<void>;
  /** Gives back the file and memory, aborting what was not committed. Idempotent. */
  close(): Promise<void>;
}

/**
 * What is written down of a body when it begins, so that it can be gone on with after it broke off, by this larder or
 * the next.
 */
export interface ResumeNote {
  /** By what it is asked for again: what it is declared to be or where it stands, and whose it is. */
  readonly name: string;
  /** Scheme and authority of the origin that began it: its validators hold there only. */
  readonly origin: string;
  /** The fields of the 200 that it began with. */
  readonly fields: RawFields;
  /** Whether the digest of the whole is known, so that a wrong beginning is found out at the end. */
  readonly isDeclared: boolean;
}

export interface StageOptions {
  /** The length the origin announced, in bytes, to be reserved under the limit. */
  readonly expectedBytes?: number;
  /** Without it, a body that breaks off is thrown away. */
  readonly note?: ResumeNote;
}

/** The beginning of a body that broke off, hashed and ready to go on. */
export interface TakenUp {
  readonly staging: Staging;
  readonly note: ResumeNote;
}

export interface StoreUsage {
  readonly blobs: number;
  readonly entries: number;
  /** The sum of the blobs' lengths. */
  readonly blobBytes: number;
  /** Bytes of fills under way. */
  readonly stagingBytes: number;
  readonly maxBytes: number;
  /** When the index was copied last, in milliseconds since the Unix epoch; `undefined` when it never was. */
  readonly indexCopiedMs?: number | undefined;
}

/** One line of `larder store ls`. */
export interface StoreListing {
  readonly uri: string;
  readonly realm: string;
  readonly status: number;
  readonly digest: Digest;
  readonly bytes: number;
  readonly storedMs: number;
  readonly lastUsedMs: number;
}

/** The content-addressed store: blobs on disk, named by digest, and entries in an index. One process writes. */
export interface Store {
  /** Every stored response of the key, whatever its variant and realm, newest response first. Synchronous and cheap. */
  find(key: string): readonly Entry[];
  /** Opens a staging body. Never rejects: where none can be made it comes with its `fault` set. */
  stage(options: StageOptions): Promise<Staging>;
  /**
   * The beginning of the body of that name, for the first who asks, who appends the rest; `undefined`, at once, where
   * there is none. Resolves with `undefined` when it cannot be read any more.
   */
  takeUp(name: string): Promise<TakenUp | undefined> | undefined;
  /** Writes what a 304 changed; the entry it returns is the one to serve. */
  freshen(entry: Entry, freshening: EntryFreshening): Entry;
  /** Forgets the entry (its blob goes when nothing names it any more). */
  remove(entry: EntryKey): void;
  /** Forgets every entry of the key: RFC 9111 §4.4. */
  invalidate(key: string): void;
  /**
   * The whole body of a small blob; synchronous when it is in memory.
   * @throws LarderError `BLOB_MISSING` or `BLOB_CORRUPT` when the index names a file that is gone or wrong; its entries
   * have then been removed.
   */
  readWhole(digest: Digest): Buffer | Promise<Buffer>;
  /**
   * Opens a committed blob for reading; the caller must close it, or iterate it to some end.
   * @throws LarderError as {@link Store.readWhole}.
   */
  openBlob(digest: Digest, range?: ByteRange): Promise<BlobReader>;
  usage(): StoreUsage;
  /** Entries whose URI contains `containing`, least recently used last, `limit` at most. */
  list(options: { readonly containing?: string; readonly limit: number }): readonly StoreListing[];
  /** Waits for what is being written, makes it durable, releases the lock. */
  close(): Promise<void>;
}

/**
 * The bytes of an open blob, in order. Iterating throws LarderError `BLOB_CORRUPT` when the file ends too early,
 * `STORE_UNREADABLE` when the system cannot read it, and closes the reader at the end, whatever that is.
 */
export interface BlobReader extends AsyncIterable<Buffer> {
  /** The same, in buffers that are used again: a chunk holds until the next is asked for. */
  lend(): AsyncIterable<Buffer>;
  /** Lets go of the file; does no harm when that was done before. */
  close(): void;
}

/** What a client took: one event of the ledger. */
export interface LedgerEvent {
  readonly session: string | undefined;
  readonly atMs: number;
  readonly method: string;
  /** The target URI without its query where that could hold a signature. */
  readonly uri: string;
  readonly class: string;
  readonly ecosystem: string | undefined;
  readonly status: number;
  readonly digest: Digest | undefined;
  /** Body bytes sent to the client. */
  readonly bytes: number;
  /** Body bytes that crossed the network from an origin for this exchange; 0 for a follower of another's fill. */
  readonly originBytes: number;
  readonly isHit: boolean;
}

/** What a session took, added up. */
export interface Receipt {
  readonly session: string;
  readonly payloads: number;
  /** Payloads answered without a payload byte from an origin. */
  readonly hits: number;
  readonly requests: number;
  readonly bytes: number;
  readonly originBytes: number;
  /** Bytes that a build without larder would have fetched again: `bytes` − `originBytes`, never below 0. */
  readonly savedBytes: number;
  readonly seconds: number;
}

/** The append-only record of what clients took; it survives the loss of the store. */
export interface Ledger {
  /** Queues the event; written in groups. Never throws. */
  record(event: LedgerEvent): void;
  /** Starts a named span and returns its id. */
  openSession(name: string): string;
  /** Ends the span, after every event recorded so far is written, and adds it up. */
  closeSession(id: string): Receipt;
  close(): void;
}
