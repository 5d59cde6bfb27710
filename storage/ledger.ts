import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { LarderError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type Database, transact } from "./database.ts";
import { FaultLog, unwritable } from "./faults.ts";
import { toRaw } from "./keys.ts";
import { openReplaceable } from "./lost-index.ts";
import { PinTable } from "./maintenance/pins.ts";
import { makePrivateDir } from "./root-dir.ts";
import type { Ledger, LedgerEvent, Receipt } from "./store.ts";

/** Version by version, as INDEX_MIGRATIONS; docs/storage-format.md explains each column. */
const LEDGER_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    closed_ms INTEGER
  ) STRICT;

  CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    session_id INTEGER,
    at_ms INTEGER NOT NULL,
    method TEXT NOT NULL,
    uri TEXT NOT NULL,
    class TEXT NOT NULL,
    ecosystem TEXT,
    status INTEGER NOT NULL,
    sha256 BLOB,
    bytes INTEGER NOT NULL,
    origin_bytes INTEGER NOT NULL,
    is_hit INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX event_by_session ON event (session_id, at_ms);
  `,
  `
  -- Blobs that a root must keep, whether or not it has them now. root: the folder. uri: what named the blob then.
  CREATE TABLE pin (
    root TEXT NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    uri TEXT,
    pinned_ms INTEGER NOT NULL,
    PRIMARY KEY (root, sha256)
  ) STRICT, WITHOUT ROWID;
  `,
];

/** How long events gather before they are written together, and how many at most. */
const GROUP_MS = 250;
const GROUP_EVENTS = 500;
/** How many wait in memory while the disk refuses them; the oldest go first, for a proxy must not grow without end. */
const MAX_QUEUED_EVENTS = 10_000;

export interface LedgerOptions {
  /** Made, readable by its user only, when it is missing. */
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The ledger, and the pins that are kept beside it. */
export interface LocalLedger extends Ledger {
  /** @param rootDir the root of a store, as an absolute path without links */
  pinsOf(rootDir: string): PinTable;
}

/**
 * Opens the ledger for writing, making it if there is none. A damaged one is set aside.
 * @throws LarderError `STORE_NEWER` or `STORE_UNWRITABLE`
 */
export async function openLedger({ stateDir, clock, log }: LedgerOptions): Promise<LocalLedger> {
  await makePrivateDir(stateDir);
  const path = join(stateDir, "ledger.sqlite");
  const file = {
    path,
    what: "the ledger",
    cure: "move it aside, and larder starts a new one",
    migrations: LEDGER_MIGRATIONS,
  };
  return openReplaceable(file, { clock, log }, (db) => new SqliteLedger(db, clock, new FaultLog(log)));
}

class SqliteLedger implements LocalLedger {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #faults: FaultLog;
  readonly #statements: ReturnType<typeof prepare>;
  #queue: LedgerEvent[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(db: Database, clock: Clock, faults: FaultLog) {
    this.#db = db;
    this.#clock = clock;
    this.#faults = faults;
    this.#statements = prepare(db);
  }

  record(event: LedgerEvent): void {
    this.#queue.push(event);
    if (this.#queue.length > MAX_QUEUED_EVENTS) this.#queue.shift();
    if (this.#queue.length % GROUP_EVENTS === 0) this.#tryWrite();
    else this.#timer ??= setTimeout(() => this.#tryWrite(), GROUP_MS).unref();
  }

  openSession(name: string): string {
    return orUnwritable(() => String(this.#statements.openSession.run(name, this.#clock()).lastInsertRowid));
  }

  /** What the receipt says is durable: a session may be a proof. */
  closeSession(id: string): Receipt {
    return orUnwritable(() => {
      this.#write();
      this.#statements.closeSession.run(this.#clock(), id);
      this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
      const sums = this.#statements.sums.get(id);
      if (sums === undefined) throw new LarderError("NOT_FOUND", `the ledger knows no session ${id}`);
      return { session: id, ...sums, savedBytes: Math.max(0, sums.bytes - sums.originBytes) };
    });
  }

  pinsOf(rootDir: string): PinTable {
    return new PinTable(this.#db, rootDir);
  }

  close(): void {
    this.#tryWrite();
    this.#db.close();
  }

  #tryWrite(): void {
    try {
      this.#write();
      this.#faults.recovered("ledger");
    } catch (error) {
      this.#faults.report("ledger", error);
    }
  }

  /** Writes the queue, all of it or nothing. */
  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#queue.length === 0) return;
    const { record } = this.#statements;
    transact(this.#db, () => {
      for (const event of this.#queue) record.run(...toRow(event));
    });
    this.#queue = [];
  }
}

/**
 * A payload counts when a client took bytes of it or learnt that its own are right; asking for its length, or for one
 * that is not there, takes nothing.
 */
const TOOK_PAYLOAD = "class = 'payload' AND method = 'GET' AND status IN (200, 206, 304)";

function prepare(db: Database) {
  return {
    record: db.prepare<EventRow>(
      `INSERT INTO event (session_id, at_ms, method, uri, class, ecosystem, status, sha256, bytes, origin_bytes, is_hit)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    openSession: db.prepare<[string, number]>("INSERT INTO session (name, opened_ms) VALUES (?, ?)"),
    closeSession: db.prepare<[number, string]>("UPDATE session SET closed_ms = ? WHERE id = ?"),
    sums: db.prepare<[string], Omit<Receipt, "session" | "savedBytes">>(
      `SELECT count(event.id) AS requests,
         count(event.id) FILTER (WHERE ${TOOK_PAYLOAD}) AS payloads,
         count(event.id) FILTER (WHERE ${TOOK_PAYLOAD} AND is_hit) AS hits,
         coalesce(sum(bytes), 0) AS bytes,
         coalesce(sum(origin_bytes), 0) AS originBytes,
         (closed_ms - opened_ms) / 1000.0 AS seconds
       FROM session LEFT JOIN event ON session_id = session.id WHERE session.id = ? GROUP BY session.id`,
    ),
  };
}

/** In the order of the columns of the statement that writes it: binding by name costs as much again as the row. */
type EventRow = [
  sessionId: number | null,
  atMs: number,
  method: string,
  uri: string,
  resourceClass: string,
  ecosystem: string | null,
  status: number,
  sha256: Buffer | null,
  bytes: number,
  originBytes: number,
  isHit: 0 | 1,
];

function toRow(event: LedgerEvent): EventRow {
  return [
    event.session === undefined ? null : Number(event.session),
    event.atMs,
    event.method,
    event.uri,
    event.class,
    event.ecosystem ?? null,
    event.status,
    event.digest === undefined ? null : toRaw(event.digest),
    event.bytes,
    event.originBytes,
    event.isHit ? 1 : 0,
  ];
}

function orUnwritable<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw unwritable("the ledger", error);
  }
}
