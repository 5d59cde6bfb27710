import { type Database, transact } from "../database.ts";
import { fromRaw, toRaw } from "../keys.ts";
import type { Pin } from "./keeping.ts";

/**
 * The pins of one root, as the ledger keeps them: they outlive the cache. The index says of each blob whether it is
 * pinned, too, so that a lost ledger, or a root that was moved, loses no pin.
 */
export class PinTable {
  readonly #db: Database;
  readonly #rootDir: string;
  readonly #statements: ReturnType<typeof prepare>;

  /** @param db the ledger's */
  constructor(db: Database, rootDir: string) {
    this.#db = db;
    this.#rootDir = rootDir;
    this.#statements = prepare(db);
  }

  /** All of them, oldest first. */
  all(): readonly Pin[] {
    return this.#statements.all
      .all(this.#rootDir)
      .map(({ sha256, uri, pinned_ms }) => ({ digest: fromRaw(sha256), uri: uri ?? undefined, pinnedMs: pinned_ms }));
  }

  /** One that is there already stays as it is. */
  add(pins: readonly Pin[]): void {
    transact(this.#db, () => {
      for (const { digest, uri, pinnedMs } of pins)
        this.#statements.add.run(this.#rootDir, toRaw(digest), uri ?? null, pinnedMs);
    });
  }

  remove(pins: readonly Pin[]): void {
    transact(this.#db, () => {
      for (const { digest } of pins) this.#statements.remove.run(this.#rootDir, toRaw(digest));
    });
  }
}

interface PinRow {
  readonly sha256: Buffer;
  readonly uri: string | null;
  readonly pinned_ms: number;
}

function prepare(db: Database) {
  return {
    all: db.prepare<[string], PinRow>(
      "SELECT sha256, uri, pinned_ms FROM pin WHERE root = ? ORDER BY pinned_ms, sha256",
    ),
    add: db.prepare<[string, Buffer, string | null, number]>(
      "INSERT OR IGNORE INTO pin (root, sha256, uri, pinned_ms) VALUES (?, ?, ?, ?)",
    ),
    remove: db.prepare<[string, Buffer]>("DELETE FROM pin WHERE root = ? AND sha256 = ?"),
  };
}
