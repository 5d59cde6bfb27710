import type { Database } from "../database.ts";
import type { TakenRoot, TakenRootLog } from "../declarations.ts";
import { fromRaw, toRaw } from "../keys.ts";

/** Older ones are of generations that may be gone: declarations live a day at least. */
const KEPT_MS = 24 * 60 * 60 * 1000;

/** The taken_root rows of the index. */
export class TakenRootTable implements TakenRootLog {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  note({ client, place, root }: TakenRoot, nowMs: number): void {
    this.#statements.forget.run(nowMs - KEPT_MS);
    this.#statements.note.run(client, place, toRaw(root), nowMs);
  }

  all(nowMs: number): readonly TakenRoot[] {
    const rows = this.#statements.all.all(nowMs - KEPT_MS);
    return rows.map(({ client, place, sha256 }) => ({ client, place, root: fromRaw(sha256) }));
  }
}

interface TakenRow {
  readonly client: string;
  readonly place: string;
  readonly sha256: Buffer;
}

function prepare(db: Database) {
  return {
    note: db.prepare<[string, string, Buffer, number]>(
      "INSERT OR REPLACE INTO taken_root (client, place, sha256, taken_ms) VALUES (?, ?, ?, ?)",
    ),
    all: db.prepare<[number], TakenRow>(
      "SELECT client, place, sha256 FROM taken_root WHERE taken_ms >= ? ORDER BY taken_ms",
    ),
    forget: db.prepare<[number]>("DELETE FROM taken_root WHERE taken_ms < ?"),
  };
}
