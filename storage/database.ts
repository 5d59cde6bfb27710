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

/** How long a statement waits for another connection of larder (the learning worker); its transactions are small. */
const BUSY_TIMEOUT_MS = 5_000;
/**
 * Opens the file for writing, making or migrating it.
 * @throws LarderError `STORE_NEWER` (the file is left as it was), `STORE_UNREADABLE` or `STORE_UNWRITABLE`.
 */
export function openDatabase(file: DatabaseFile): Database.Database {
  if (existsSync(file.path)) openReadOnly(file).close();
  return guarded(file, () => {
    const db = new Database(file.path, { timeout: BUSY_TIMEOUT_MS });
    return closedOnError(db, () => {
      db.pragma("journal_mode = WAL");
      db.pragma("synchronous = NORMAL");
      db.pragma("foreign_keys = ON");
      migrate(db, file.migrations);
    });
  });
}

/** Opens an existing file of this very version without changing anything in it. @throws LarderError as {@link openDatabase}. */
export function openDatabaseForReading(file: DatabaseFile): Database.Database {
  const db = openReadOnly(file);
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

function openReadOnly(file: DatabaseFile): Database.Database {
  return guarded(file, () => {
    const db = new Database(file.path, { readonly: true, timeout: BUSY_TIMEOUT_MS });
    return closedOnError(db, () => refuseNewer(file, versionOf(db)));
  });
}

/** Runs `work` in one transaction: all of it is written, or none. */
export function transact<T>(db: Database.Database, work: () => T): T {
  return db.transaction(work)();
}

function migrate(db: Database.Database, migrations: readonly string[]): void {
  for (let version = versionOf(db); version < migrations.length; version++) {
    transact(db, () => {
      db.exec(migrations[version] as string);
      db.pragma(`user_version = ${version + 1}`);
    });
  }
}

function versionOf(db: Database.Database): number {
  return db.pragma("user_version", { simple: true }) as number;
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
