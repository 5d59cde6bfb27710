import type { Database } from "../database.ts";

/** How far the write-ahead log of a database has got, in pages since it last began anew. */
export interface WalState {
  readonly pages: number;
  /** How many of them are in the database, and durable there once all are. */
  readonly movedPages: number;
}

/** A log that a long reader has let grow is cut back to this when it begins anew. */
const KEPT_LOG_BYTES = 64 * 1024 * 1024;

interface WalRow {
  readonly log: number;
  readonly checkpointed: number;
}

/**
 * From now on this connection never moves the log inside a commit of its own: {@link Checkpoints} has that done
 * elsewhere.
 */
export function keepLog(db: Database): void {
  db.exec("PRAGMA wal_autocheckpoint = 0");
  db.exec(`PRAGMA journal_size_limit = ${KEPT_LOG_BYTES}`);
}

/** Looks, and moves nothing: some microseconds. */
export function walState(db: Database): WalState {
  return stateOf(db, "NOOP");
}

/**
 * Moves the log into the database, as far as nobody reads an older state, beside all who write. When nobody wrote
 * meanwhile, the next write begins the log anew; that is done here at once, for whoever does it waits for an fsync
 * (walFrames in SQLite's wal.c).
 * @returns whether the log has begun anew
 */
export function checkpoint(db: Database): boolean {
  const { pages, movedPages } = stateOf(db, "PASSIVE");
  if (movedPages < pages) return false;
  rewriteVersion(db);
  return walState(db).pages < pages;
}

function stateOf(db: Database, mode: "NOOP" | "PASSIVE"): WalState {
  const row = db.prepare<[], WalRow>(`PRAGMA wal_checkpoint(${mode})`).get();
  return { pages: Math.max(0, row?.log ?? 0), movedPages: Math.max(0, row?.checkpointed ?? 0) };
}

/** The smallest write there is: it changes nothing but the log. */
function rewriteVersion(db: Database): void {
  const { user_version } = db.prepare<[], { user_version: number }>("PRAGMA user_version").get() ?? { user_version: 0 };
  db.exec(`PRAGMA user_version = ${user_version}`);
}
