import type { Database } from "../database.ts";
import type { Quarantine } from "../declarations.ts";
import { keyHash } from "../keys.ts";

/** A mirror that is being synchronised is right again within minutes; one that is broken need not be asked often. */
const FIRST_MS = 60 * 1000;
const LONGEST_MS = 24 * 60 * 60 * 1000;
/** The back-off starts anew for a base that gave no wrong bytes for so long after the last one ended. */
const FORGOTTEN_AFTER_MS = 7 * LONGEST_MS;

/** The quarantine rows of the index. */
export class QuarantineTable implements Quarantine {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  add(base: string, path: string, nowMs: number): number {
    this.#statements.forget.run(nowMs - FORGOTTEN_AFTER_MS);
    const tries = this.#statements.get.get(base, keyHash(path))?.tries ?? 0;
    const untilMs = nowMs + lengthOf(tries + 1);
    this.#statements.put.run(base, keyHash(path), untilMs, tries + 1);
    return untilMs;
  }

  until(base: string, path: string, nowMs: number): number | undefined {
    const untilMs = this.#statements.get.get(base, keyHash(path))?.until_ms;
    // One that would last longer than any was set by a clock that has been put back since.
    const isRunning = untilMs !== undefined && untilMs > nowMs && untilMs <= nowMs + LONGEST_MS;
    return isRunning ? untilMs : undefined;
  }

  lastWrongMs(base: string, path: string): number | undefined {
    const row = this.#statements.get.get(base, keyHash(path));
    return row === undefined ? undefined : row.until_ms - lengthOf(row.tries);
  }

  clear(base: string, path: string): void {
    this.#statements.clear.run(base, keyHash(path));
  }
}

/** How long the n-th quarantine lasts. */
function lengthOf(tries: number): number {
  return Math.min(FIRST_MS * 2 ** (tries - 1), LONGEST_MS);
}

function prepare(db: Database) {
  return {
    get: db.prepare<[string, Buffer], { readonly until_ms: number; readonly tries: number }>(
      "SELECT until_ms, tries FROM quarantine WHERE base = ? AND path_hash = ?",
    ),
    put: db.prepare<[string, Buffer, number, number]>(
      "INSERT OR REPLACE INTO quarantine (base, path_hash, until_ms, tries) VALUES (?, ?, ?, ?)",
    ),
    clear: db.prepare<[string, Buffer]>("DELETE FROM quarantine WHERE base = ? AND path_hash = ?"),
    forget: db.prepare<[number]>("DELETE FROM quarantine WHERE until_ms < ?"),
  };
}
