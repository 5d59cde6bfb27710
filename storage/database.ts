import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import { LarderError, systemCode } from "../core/errors.ts";
import { unwritable } from "./faults.ts";

export type { Database } from "better-sqlite3";

/** A SQLite file and the steps that made it what it is; step n takes `user_version` from n to n + 1. */
export interface DatabaseFile {
  readonly path: string;
  /** What it is called in messages. */
  readonly what: string;
  /** What to do when it is damaged. */
  readonly cure: string;
  readonly migrations: readonly string[];
}

/**
 * Every connection there ever was. Node 24.19 and newer abort the process when a garbage collection that no script runs
 * meets a connection or statement of better-sqlite3 12 that was compiled for them; 13 is cured of that, and does not
 * run on Node 20. So nothing of it may become garbage: connections are few and stay, and each prepares a text once and
 * keeps it.
 * @see https://github.com/WiseLibs/better-sqlite3/issues/1515
 */
const CONNECTIONS = new Set<Database.Database>();

/** How long a statement waits for another connection of larder (a thread of its own); its transactions are small. */
export const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens the file for writing, making or migrating it.
 * @throws LarderError `STORE_NEWER` (the file is left as it was), `STORE_UNREADABLE` or `STORE_UNWRITABLE`.
 */
export function openDatabase(file: DatabaseFile): Database.Database {
  if (existsSync(file.path)) openDatabaseAsItIs(file).close();
  return guarded(file, () => {
    const db = connect(file.path, { timeout: BUSY_TIMEOUT_MS });
    return closedOnError(db, () => {
      db.exec("PRAGMA journal_mode = WAL");
      db.exec("PRAGMA synchronous = NORMAL");
      db.exec("PRAGMA foreign_keys = ON");
      migrate(db, file.migrations);
    });
  });
}

/**
 * Opens an existing file of this very version without changing anything in it.
 * @throws LarderError as {@link openDatabase}.
 */
export function openDatabaseForReading(file: DatabaseFile): Database.Database {
  const db = openDatabaseAsItIs(file);
  if (versionOf(db) === file.migrations.length) return db;
  db.close();
  const message = `${file.what} ${file.path} was written by an older larder; run \`larder serve\` once, and it is brought up to date`;
  throw new LarderError("STORE_UNREADABLE", message, { details: { path: file.path } });
}

/** The LarderError for what SQLite said about the file; a LarderError passes as it is. */
export function databaseFault(file: DatabaseFile, error: unknown): LarderError {
  const code = systemCode(error) ?? "";
  const isDamaged = code.startsWith("SQLITE_NOTADB") || code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_ERROR";
  if (error instanceof LarderError || !isDamaged) return unwritable(`${file.what} ${file.path}`, error);
  const message = `${file.what} ${file.path} is damaged (${code}); ${file.cure}`;
  return new LarderError("STORE_UNREADABLE", message, { details: { path: file.path, reason: code }, cause: error });
}

/**
 * Opens a connection whose statements are prepared once: asked for the same text again, it gives the same statement.
 * Pragmas go through `exec` or `prepare`; `db.pragma` makes a statement that nothing keeps.
 */
export function connect(path: string, options: Database.Options): Database.Database {
  const db = new Database(path, options);
  CONNECTIONS.add(db);
  const prepare = db.prepare.bind(db);
  const prepared = new Map<string, Database.Statement>();
  const prepareOnce = (text: string): Database.Statement => {
    const statement = prepared.get(text) ?? prepare(text);
    prepared.set(text, statement);
    return statement;
  };
  db.prepare = prepareOnce as typeof db.prepare;
  return db;
}

/** Opens an existing file for reading, of this version or an older one. @throws LarderError as {@link openDatabase}. */
export function openDatabaseAsItIs(file: DatabaseFile): Database.Database {
  return guarded(file, () => {
    const db = connect(file.path, { readonly: true, timeout: BUSY_TIMEOUT_MS });
    return closedOnError(db, () => refuseNewer(file, versionOf(db)));
  });
}

/**
 * Runs `work`, which writes, in one transaction: all of it is written, or none. It is the one writer from its
 * beginning: where it read first, a write of another connection in between (SQLITE_BUSY_SNAPSHOT) would end it.
 */
export function transact<T>(db: Database.Database, work: () => T): T {
  return db.transaction(work).immediate();
}

function migrate(db: Database.Database, migrations: readonly string[]): void {
  for (let version = versionOf(db); version < migrations.length; version++) {
    transact(db, () => {
      db.exec(migrations[version] as string);
      db.exec(`PRAGMA user_version = ${version + 1}`);
    });
  }
}

function versionOf(db: Database.Database): number {
  return db.prepare<[], { readonly user_version: number }>("PRAGMA user_version").get()?.user_version ?? 0;
}

function refuseNewer({ what, path, migrations }: DatabaseFile, version: number): void {
  if (version <= migrations.length) return;
  throw new LarderError(
    "STORE_NEWER",
    `${what} ${path} was written by a newer larder (schema ${version}, this one knows ${migrations.length}); ` +
      "run that larder, or choose another folder. Nothing was changed",
    { details: { path, version, known: migrations.length } },
  );
}

function closedOnError(db: Database.Database, use: () => void): Database.Database {
  try {
    use();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function guarded<T>(file: DatabaseFile, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw databaseFault(file, error);
  }
}
