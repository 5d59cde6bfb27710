import type { Digest } from "../../core/digest.ts";
import { type Entry, PUBLIC_REALM, type ResourceClass } from "../../core/entry.ts";
import type { Database } from "../database.ts";
import { fromRaw, toRaw } from "../keys.ts";

/** A blob as the index knows it. */
export interface BlobFacts {
  readonly digest: Digest;
  readonly bytes: number;
  /** Whether file, folder and row were fsynced: true bytes even after a power cut. */
  readonly isSynced: boolean;
}

interface BlobRow {
  readonly sha256: Buffer;
  readonly bytes: number;
  readonly synced: number;
}

export interface BlobTotals {
  readonly blobs: number;
  readonly bytes: number;
  /** When any of them was last used. */
  readonly lastUsedMs: number;
}

/** Use of a blob: when it was last read. */
export type LastUsed = readonly [digest: Digest, atMs: number];

/** Blobs whose loss costs a client more than a download: without its root a repository cannot be served offline. */
const KEPT_CLASSES: ReadonlySet<ResourceClass | undefined> = new Set(["root", "member"]);

const UNNAMED = "sha256 = ? AND pins = 0 AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.sha256 = blob.sha256)";

/** The blob and access rows. Changing methods belong inside a transaction of the caller. */
export class BlobTable {
  readonly #statements: ReturnType<typeof prepare>;
  /** Blobs to be pinned, also before they are stored. */
  readonly #pinned = new Set<Digest>();

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  get(digest: Digest): BlobFacts | undefined {
    return toFactsIfAny(this.#statements.get.get(toRaw(digest)));
  }

  /**
   * Adds the blob of the entry, or notes that it was used and that another realm may have it.
   * @returns whether it is new.
   */
  put(entry: Entry, nowMs: number): boolean {
    const raw = toRaw(entry.digest);
    const isNew = this.#statements.get.get(raw) === undefined;
    this.#statements.put.run(
      raw,
      entry.bytes,
      nowMs,
      KEPT_CLASSES.has(entry.class) ? 1 : 0,
      this.#pinsOf(entry.digest),
    );
    this.#statements.allow.run(raw, entry.realm);
    return isNew;
  }

  /** Adds a blob that everybody may have and no entry names. */
  add({ digest, bytes }: Omit<BlobFacts, "isSynced">, lastUsedMs: number): void {
    const raw = toRaw(digest);
    this.#statements.put.run(raw, bytes, lastUsedMs, 0, this.#pinsOf(digest));
    this.#statements.allow.run(raw, PUBLIC_REALM);
  }

  /** Deletes the blob, with every entry and access row that names it. @returns `undefined` when it was gone */
  drop(digest: Digest): BlobFacts | undefined {
    return toFactsIfAny(this.#statements.drop.get(toRaw(digest)));
  }

  /** Whether no entry names the blob, and it is not pinned. */
  isUnnamed(digest: Digest): boolean {
    return this.#statements.unnamed.get(toRaw(digest)) !== undefined;
  }

  /**
   * {@link drop}, unless an entry names the blob or it is pinned.
   * @param digest what an entry named until now, if anything
   */
  dropUnnamed(digest: Digest | undefined): BlobFacts | undefined {
    return digest === undefined ? undefined : toFactsIfAny(this.#statements.dropUnnamed.get(toRaw(digest)));
  }

  unsynced(): readonly Digest[] {
    return this.#statements.unsynced.all().map((row) => fromRaw(row.sha256));
  }

  markSynced(digests: readonly Digest[]): void {
    for (const digest of digests) this.#statements.markSynced.run(toRaw(digest));
  }

  /** The next start must not trust its file unseen. */
  markSuspect(digest: Digest): void {
    this.#statements.markSuspect.run(toRaw(digest));
  }

  /** Writes down whether each of the blobs is pinned. Those that are not there are remembered for when they come. */
  setPinned(digests: readonly Digest[], isPinned: boolean): void {
    for (const digest of digests) {
      if (isPinned) this.#pinned.add(digest);
      else this.#pinned.delete(digest);
      this.#statements.setPins.run(isPinned ? 1 : 0, toRaw(digest));
    }
  }

  /** Every blob that the index says is pinned. */
  pinnedRows(): readonly Digest[] {
    return this.#statements.pinned.all().map((row) => fromRaw(row.sha256));
  }

  noteUses(uses: Iterable<LastUsed>): void {
    for (const [digest, atMs] of uses) this.#statements.noteUse.run(atMs, toRaw(digest), atMs);
  }

  isPinned(digest: Digest): boolean {
    return this.#pinned.has(digest);
  }

  totals(): BlobTotals {
    return this.#statements.totals.get() ?? { blobs: 0, bytes: 0, lastUsedMs: 0 };
  }

  #pinsOf(digest: Digest): 0 | 1 {
    return this.#pinned.has(digest) ? 1 : 0;
  }
}

function prepare(db: Database) {
  return {
    get: db.prepare<[Buffer], BlobRow>("SELECT sha256, bytes, synced FROM blob WHERE sha256 = ?"),
    put: db.prepare<[Buffer, number, number, number, number]>(
      `INSERT INTO blob (sha256, bytes, last_used_ms, keep, pins) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET last_used_ms = max(last_used_ms, excluded.last_used_ms), keep = max(keep, excluded.keep)`,
    ),
    allow: db.prepare<[Buffer, string]>("INSERT OR IGNORE INTO access (sha256, realm) VALUES (?, ?)"),
    drop: db.prepare<[Buffer], BlobRow>("DELETE FROM blob WHERE sha256 = ? RETURNING *"),
    unnamed: db.prepare<[Buffer], { readonly 1: number }>(`SELECT 1 FROM blob WHERE ${UNNAMED}`),
    dropUnnamed: db.prepare<[Buffer], BlobRow>(`DELETE FROM blob WHERE ${UNNAMED} RETURNING *`),
    unsynced: db.prepare<[], Pick<BlobRow, "sha256">>("SELECT sha256 FROM blob WHERE synced = 0"),
    markSynced: db.prepare<[Buffer]>("UPDATE blob SET synced = 1 WHERE sha256 = ?"),
    markSuspect: db.prepare<[Buffer]>("UPDATE blob SET synced = 0 WHERE sha256 = ?"),
    setPins: db.prepare<[number, Buffer]>("UPDATE blob SET pins = ? WHERE sha256 = ?"),
    pinned: db.prepare<[], Pick<BlobRow, "sha256">>("SELECT sha256 FROM blob WHERE pins > 0"),
    noteUse: db.prepare<[number, Buffer, number]>(
      "UPDATE blob SET last_used_ms = ? WHERE sha256 = ? AND last_used_ms < ?",
    ),
    totals: db.prepare<[], BlobTotals>(
      `SELECT count(*) AS blobs, coalesce(sum(bytes), 0) AS bytes, coalesce(max(last_used_ms), 0) AS lastUsedMs FROM blob`,
    ),
  };
}

function toFactsIfAny(row: BlobRow | undefined): BlobFacts | undefined {
  return row === undefined ? undefined : toFacts(row);
}

function toFacts(row: BlobRow): BlobFacts {
  return { digest: fromRaw(row.sha256), bytes: row.bytes, isSynced: row.synced === 1 };
}
