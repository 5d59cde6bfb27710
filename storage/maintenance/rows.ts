import type { Digest } from "../../core/digest.ts";
import type { EntryKey, ResourceClass } from "../../core/entry.ts";
import type { Database } from "../database.ts";
import { fromRaw, keyHash, toRaw } from "../keys.ts";

/** Rows read at once: a millisecond or two of SQLite, after which others have their turn. */
const ROWS_AT_ONCE = 500;
/** Fewer where the next batch comes by digest: what is evicted meanwhile is not looked for in vain. */
const BLOBS_AT_ONCE = 64;

/** An entry as far as maintenance looks at it; the texts are as they are in the row, and may be unreadable. */
export interface EntryRow extends EntryKey {
  readonly rowId: number;
  readonly uri: string;
  readonly digest: Digest;
  readonly keyHash: Buffer;
  readonly status: number;
  readonly class: ResourceClass | null;
  readonly responseMs: number;
  readonly fields: string;
  readonly selecting: string;
}

export interface BlobRow {
  readonly digest: Digest;
  readonly bytes: number;
}

interface RawEntry {
  readonly rowid: number;
  readonly key_hash: Buffer;
  readonly variant: string;
  readonly realm: string;
  readonly method: string;
  readonly uri: string;
  readonly sha256: Buffer;
  readonly status: number;
  readonly class: ResourceClass | null;
  readonly response_ms: number;
  readonly fields: string;
  readonly selecting: string;
}

interface RawBlob {
  readonly rowid: number;
  readonly sha256: Buffer;
  readonly bytes: number;
}

/**
 * Reads whole tables in batches, while others go on writing: no statement is open between two batches, and rows that
 * come in meanwhile are left out.
 */
export class Rows {
  readonly #statements: Statements;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  entries(): Generator<readonly EntryRow[]> {
    return this.#entries(this.#statements.entries);
  }

  /** Those of this class, without a look at any other. */
  entriesOf(kept: "root" | "member"): Generator<readonly EntryRow[]> {
    return this.#entries(this.#statements[kept]);
  }

  *#entries(statement: Statements["entries"]): Generator<readonly EntryRow[]> {
    const last = this.#statements.lastEntry.get()?.last ?? 0;
    for (let after = 0; ; ) {
      const batch = statement.all(after, last, ROWS_AT_ONCE);
      if (batch.length === 0) return;
      after = batch.at(-1)?.rowid ?? last;
      yield batch.map(toEntry);
    }
  }

  blobs(): Generator<readonly BlobRow[]> {
    return this.#blobs(this.#statements.blobs);
  }

  /** Those that no entry names. */
  unnamedBlobs(): Generator<readonly BlobRow[]> {
    return this.#blobs(this.#statements.unnamedBlobs);
  }

  *#blobs(statement: Statements["blobs"]): Generator<readonly BlobRow[]> {
    const last = this.#statements.lastBlob.get()?.last ?? 0;
    for (let after = 0; ; ) {
      const batch = statement.all(after, last, ROWS_AT_ONCE);
      if (batch.length === 0) return;
      after = batch.at(-1)?.rowid ?? last;
      yield batch.map(toBlob);
    }
  }

  /** The next blobs by digest, from the first where none is named. */
  blobsAfter(digest: Digest | undefined): readonly BlobRow[] {
    const after = digest === undefined ? Buffer.alloc(0) : toRaw(digest);
    return this.#statements.blobsAfter.all(after, BLOBS_AT_ONCE).map(toBlob);
  }

  countBlobs(): number {
    return this.#statements.count.get()?.blobs ?? 0;
  }

  hasBlob(digest: Digest): boolean {
    return this.#statements.hasBlob.get(toRaw(digest)) !== undefined;
  }

  entry(rowId: number): EntryRow | undefined {
    return this.#statements.entries.all(rowId - 1, rowId, 1).map(toEntry)[0];
  }
}

/** Why nobody could make an answer of the row; `undefined` when all is well with it. */
export function whyUnreadable({ key, keyHash: hash, fields, selecting }: EntryRow): string | undefined {
  if (!keyHash(key).equals(hash)) return "its hash is of another key";
  const isFields = [fields, selecting].every(isNamesAndValues);
  return isFields ? undefined : "its fields are no list of names and values";
}

function isNamesAndValues(text: string): boolean {
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.length % 2 === 0 && list.every((part) => typeof part === "string");
  } catch {
    return false;
  }
}

type Statements = ReturnType<typeof prepare>;

function prepare(db: Database) {
  const entries = (condition: string) =>
    db.prepare<[number, number, number], RawEntry>(
      `SELECT rowid, key_hash, variant, realm, method, uri, sha256, status, class, response_ms, fields, selecting FROM entry
       WHERE rowid > ? AND rowid <= ? ${condition} ORDER BY rowid LIMIT ?`,
    );
  return {
    lastEntry: db.prepare<[], { readonly last: number | null }>("SELECT max(rowid) AS last FROM entry"),
    entries: entries(""),
    // The class as text: a value that is bound does not tell SQLite that the partial index holds these rows.
    root: entries("AND class = 'root'"),
    member: entries("AND class = 'member'"),
    lastBlob: db.prepare<[], { readonly last: number | null }>("SELECT max(rowid) AS last FROM blob"),
    blobs: db.prepare<[number, number, number], RawBlob>(
      "SELECT rowid, sha256, bytes FROM blob WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?",
    ),
    blobsAfter: db.prepare<[Buffer, number], RawBlob>(
      "SELECT rowid, sha256, bytes FROM blob WHERE sha256 > ? ORDER BY sha256 LIMIT ?",
    ),
    unnamedBlobs: db.prepare<[number, number, number], RawBlob>(
      `SELECT rowid, sha256, bytes FROM blob WHERE rowid > ? AND rowid <= ?
         AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.sha256 = blob.sha256) ORDER BY rowid LIMIT ?`,
    ),
    hasBlob: db.prepare<[Buffer], { readonly 1: number }>("SELECT 1 FROM blob WHERE sha256 = ?"),
    count: db.prepare<[], { readonly blobs: number }>("SELECT count(*) AS blobs FROM blob"),
  };
}

function toEntry({ rowid, key_hash, sha256, method, uri, response_ms, ...row }: RawEntry): EntryRow {
  const names = { key: `${method} ${uri}`, rowId: rowid, keyHash: key_hash, digest: fromRaw(sha256) };
  return { ...row, ...names, uri, responseMs: response_ms };
}

function toBlob({ sha256, bytes }: RawBlob): BlobRow {
  return { digest: fromRaw(sha256), bytes };
}
