import { LRUCache } from "lru-cache";
import type { Digest } from "../core/digest.ts";
import type { Entry, EntryKey, ResourceClass } from "../core/entry.ts";
import type { Database } from "./database.ts";
import { fromRaw, keyHash, toRaw } from "./keys.ts";
import type { EntryFreshening } from "./store.ts";

interface EntryRow {
  readonly variant: string;
  readonly realm: string;
  readonly method: string;
  readonly uri: string;
  readonly sha256: Buffer;
  readonly bytes: number;
  readonly status: number;
  readonly fields: string;
  readonly selecting: string;
  readonly class: ResourceClass | null;
  readonly request_ms: number;
  readonly response_ms: number;
  readonly stored_ms: number;
}

type KeyRow = Pick<EntryRow, "method" | "uri">;

const NONE: readonly Entry[] = Object.freeze([]);
/** What an entry costs in memory beside its text, and a key that has none. */
const ENTRY_OVERHEAD_BYTES = 600;
const KEY_OVERHEAD_BYTES = 200;

/**
 * The entry rows, with those asked for lately in memory: keys without an entry too, so that a miss is as cheap as a
 * hit.
 * `put` and `remove` belong inside a transaction of the caller: what a RETURNING statement fails to commit by itself goes
 * unnoticed.
 */
export class EntryTable {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #hot: LRUCache<string, readonly Entry[]> | undefined;
  /** Entries that could not be deleted, because the index cannot be written; they are gone all the same. */
  readonly #hidden = new Set<string>();

  /** @param hotBytes 0 keeps nothing in memory, as a reader beside a writer must. */
  constructor(db: Database, hotBytes: number) {
    this.#statements = prepare(db);
    this.#hot = hotBytes > 0 ? new LRUCache({ maxSize: hotBytes, sizeCalculation: sizeInMemory }) : undefined;
  }

  /** Every entry of the key, newest response first; frozen and shared. */
  find(key: string): readonly Entry[] {
    const hot = this.#hot?.get(key);
    if (hot !== undefined) return hot;
    const rows = this.#statements.find.all(keyHash(key));
    const found =
      rows.length === 0 ? NONE : Object.freeze(rows.map(toEntry).filter((entry) => this.#isVisible(entry, key)));
    this.#hot?.set(key, found);
    return found;
  }

  /** Writes the entry over the one of its key, variant and realm. @returns the blob that one named, if another. */
  put(entry: Entry): Digest | undefined {
    const { method, uri } = splitKey(entry.key);
    const hash = keyHash(entry.key);
    const before = this.#statements.digest.get(hash, entry.variant, entry.realm);
    this.#statements.put.run(
      hash,
      entry.variant,
      entry.realm,
      method,
      uri,
      toRaw(entry.digest),
      entry.status,
      JSON.stringify(entry.fields),
      JSON.stringify(entry.selecting),
      entry.class ?? null,
      entry.requestMs,
      entry.responseMs,
      entry.storedMs,
    );
    this.#hot?.delete(entry.key);
    this.#hidden.delete(identity(entry));
    const digest = before === undefined ? undefined : fromRaw(before.sha256);
    return digest === entry.digest ? undefined : digest;
  }

  /** @returns false when the entry is no longer there, or names another blob by now. */
  freshen(entry: Entry, { fields, requestMs, responseMs }: EntryFreshening): boolean {
    const hash = keyHash(entry.key);
    const { changes } = this.#statements.freshen.run(
      JSON.stringify(fields),
      requestMs,
      responseMs,
      hash,
      entry.variant,
      entry.realm,
      toRaw(entry.digest),
    );
    this.#hot?.delete(entry.key);
    return changes > 0;
  }

  /** @returns the blob that it named. */
  remove({ key, variant, realm }: EntryKey): Digest | undefined {
    this.#hot?.delete(key);
    const row = this.#statements.remove.get(keyHash(key), variant, realm);
    return row === undefined ? undefined : fromRaw(row.sha256);
  }

  /** {@link remove} for a row that its key does not lead to. */
  removeRow(rowId: number, { key }: EntryKey): Digest | undefined {
    this.#hot?.delete(key);
    const row = this.#statements.removeRow.get(rowId);
    return row === undefined ? undefined : fromRaw(row.sha256);
  }

  /** Forgets the entry until the next start although the index cannot be written. */
  hide(entry: EntryKey): void {
    this.#hidden.add(identity(entry));
    this.#hot?.delete(entry.key);
  }

  /** Drops from memory whatever names the blob, whose rows are about to go. */
  forgetBlob(digest: Digest): void {
    for (const { method, uri } of this.#statements.keysOfBlob.all(toRaw(digest))) this.#hot?.delete(`${method} ${uri}`);
  }

  count(): number {
    return this.#statements.count.get()?.n ?? 0;
  }

  /** The hash found the rows; the text decides. */
  #isVisible(entry: Entry, key: string): boolean {
    return entry.key === key && (this.#hidden.size === 0 || !this.#hidden.has(identity(entry)));
  }
}

/** In the order of the columns of the statement that writes it. */
type PutRow = [
  keyHash: Buffer,
  variant: string,
  realm: string,
  method: string,
  uri: string,
  sha256: Buffer,
  status: number,
  fields: string,
  selecting: string,
  resourceClass: ResourceClass | null,
  requestMs: number,
  responseMs: number,
  storedMs: number,
];

function prepare(db: Database) {
  return {
    find: db.prepare<[Buffer], EntryRow>(
      "SELECT entry.*, bytes FROM entry JOIN blob USING (sha256) WHERE key_hash = ? ORDER BY response_ms DESC",
    ),
    digest: db.prepare<[Buffer, string, string], Pick<EntryRow, "sha256">>(
      "SELECT sha256 FROM entry WHERE key_hash = ? AND variant = ? AND realm = ?",
    ),
    put: db.prepare<PutRow>(
      `INSERT OR REPLACE INTO entry
         (key_hash, variant, realm, method, uri, sha256, status, fields, selecting, class, request_ms, response_ms, stored_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    freshen: db.prepare<[string, number, number, Buffer, string, string, Buffer]>(
      `UPDATE entry SET fields = ?, request_ms = ?, response_ms = ?
       WHERE key_hash = ? AND variant = ? AND realm = ? AND sha256 = ?`,
    ),
    remove: db.prepare<[Buffer, string, string], Pick<EntryRow, "sha256">>(
      "DELETE FROM entry WHERE key_hash = ? AND variant = ? AND realm = ? RETURNING sha256",
    ),
    removeRow: db.prepare<[number], Pick<EntryRow, "sha256">>("DELETE FROM entry WHERE rowid = ? RETURNING sha256"),
    keysOfBlob: db.prepare<[Buffer], KeyRow>("SELECT method, uri FROM entry WHERE sha256 = ?"),
    count: db.prepare<[], { readonly n: number }>("SELECT count(*) AS n FROM entry"),
  };
}

function toEntry(row: EntryRow): Entry {
  return Object.freeze({
    key: `${row.method} ${row.uri}`,
    variant: row.variant,
    realm: row.realm,
    status: row.status,
    fields: Object.freeze(JSON.parse(row.fields) as string[]),
    selecting: Object.freeze(JSON.parse(row.selecting) as string[]),
    digest: fromRaw(row.sha256),
    bytes: row.bytes,
    requestMs: row.request_ms,
    responseMs: row.response_ms,
    storedMs: row.stored_ms,
    ...(row.class === null ? {} : { class: row.class }),
  });
}

/** A key is `METHOD URI`. */
function splitKey(key: string): KeyRow {
  const space = key.indexOf(" ");
  return { method: key.slice(0, space), uri: key.slice(space + 1) };
}

function identity({ key, variant, realm }: EntryKey): string {
  return JSON.stringify([key, variant, realm]);
}

function sizeInMemory(entries: readonly Entry[], key: string): number {
  let bytes = KEY_OVERHEAD_BYTES + 2 * key.length;
  for (const entry of entries) {
    bytes += ENTRY_OVERHEAD_BYTES + 2 * (entry.key.length + entry.variant.length);
    for (const text of entry.fields) bytes += 2 * text.length;
    for (const text of entry.selecting) bytes += 2 * text.length;
  }
  return bytes;
}
