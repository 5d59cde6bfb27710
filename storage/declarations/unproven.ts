import type { Database } from "../database.ts";
import type { UnprovenAnswers } from "../declarations.ts";
import { keyHash } from "../keys.ts";

/** The unproven rows of the index. */
export class UnprovenTable implements UnprovenAnswers {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  note(key: string, place: string, { nowMs, untilMs }: { readonly nowMs: number; readonly untilMs: number }): boolean {
    this.#statements.forget.run(nowMs);
    return this.#statements.note.run(keyHash(key), keyHash(place), untilMs).changes > 0;
  }

  has(key: string, nowMs: number): boolean {
    return this.#statements.get.get(keyHash(key), nowMs) !== undefined;
  }

  clear(key: string, place: string): void {
    this.#statements.clear.run(keyHash(key), keyHash(place));
  }
}

function prepare(db: Database) {
  return {
    get: db.prepare<[Buffer, number], { readonly until_ms: number }>(
      "SELECT until_ms FROM unproven WHERE key_hash = ? AND until_ms > ? LIMIT 1",
    ),
    note: db.prepare<[Buffer, Buffer, number]>(
      "INSERT OR IGNORE INTO unproven (key_hash, place_hash, until_ms) VALUES (?, ?, ?)",
    ),
    clear: db.prepare<[Buffer, Buffer]>("DELETE FROM unproven WHERE key_hash = ? AND place_hash = ?"),
    forget: db.prepare<[number]>("DELETE FROM unproven WHERE until_ms <= ?"),
  };
}
