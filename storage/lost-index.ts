import { existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { type Database, type DatabaseFile, databaseFault, openDatabase, openDatabaseAsItIs } from "./database.ts";
import type { Layout } from "./layout.ts";

/** What SQLite keeps in files of its own beside a database. */
const COMPANIONS = ["", "-wal", "-shm"] as const;

/**
 * Moves a database out of the way, under a name that nothing opens; nobody deletes it here. The database goes first:
 * SQLite ignores the log of an empty database, but would play a log back into one that it belongs to.
 * @returns its new path
 */
export function setAside({ path }: Pick<DatabaseFile, "path">, nowMs: number): string {
  const aside = `${path.replace(/\.sqlite$/, "")}.damaged-${nowMs}.sqlite`;
  for (const companion of COMPANIONS)
    if (existsSync(`${path}${companion}`)) renameSync(`${path}${companion}`, `${aside}${companion}`);
  return aside;
}

interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Opens a database that larder can do without, and has `use` prepare what it asks of it. One that turns out to be
 * damaged is set aside, and a new one is used.
 * @throws LarderError `STORE_NEWER` or `STORE_UNWRITABLE`
 */
export function openReplaceable<T>(file: DatabaseFile, { clock, log }: Surroundings, use: (db: Database) => T): T {
  try {
    return openFor(file, use);
  } catch (error) {
    const fault = databaseFault(file, error);
    if (fault.code !== "STORE_UNREADABLE") throw fault;
    const setAsideAs = setAside(file, clock());
    log.warn({ reason: fault.message, setAsideAs }, `damaged: ${file.what}; larder goes on with a new one`);
    return openFor(file, use);
  }
}

function openFor<T>(file: DatabaseFile, use: (db: Database) => T): T {
  const db = openDatabase(file);
  try {
    return use(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Whether blobs lie there without an index: it was deleted, or cut to nothing. */
export function isIndexLost({ indexFile, blobsDir }: Layout): boolean {
  const isThere = (statSync(indexFile, { throwIfNoEntry: false })?.size ?? 0) > 0;
  return !isThere && existsSync(blobsDir) && readdirSync(blobsDir).length > 0;
}

/** How closely SQLite looks: all of it, or all but whether the search trees agree with the rows. */
type Check = "integrity_check" | "quick_check";

/**
 * Whether SQLite finds nothing wrong with a database that is there.
 * @throws LarderError `STORE_NEWER` or `STORE_UNWRITABLE`
 */
export function isSound(file: DatabaseFile, check: Check = "quick_check"): boolean {
  try {
    const db = openDatabaseAsItIs(file);
    try {
      return hasPassed(db, check);
    } finally {
      db.close();
    }
  } catch (error) {
    const fault = databaseFault(file, error);
    if (fault.code === "STORE_UNREADABLE") return false;
    throw fault;
  }
}

export function hasPassed(db: Database, check: Check): boolean {
  const verdict = db.prepare<[], Partial<Record<Check, string>>>(`PRAGMA ${check}(1)`).get();
  return verdict?.[check] === "ok";
}

/**
 * Notes that the blobs on disk are to be taken into the index. It is written before there is a new index and removed
 * when the last blob is in it, so that a crash in between has the next start go on, and not take the rest for
 * leftovers.
 */
export function beginAdoption({ adoptionFile }: Layout): void {
  writeFileSync(adoptionFile, "");
}

/** Notes likewise that what stored metadata declares, and by what digests, is to be learnt again. */
export function beginRelearning({ relearningFile }: Layout): void {
  writeFileSync(relearningFile, "");
}

export function isToRelearn({ relearningFile }: Layout): boolean {
  return existsSync(relearningFile);
}

export function endRelearning({ relearningFile }: Layout): void {
  rmSync(relearningFile, { force: true });
}

export function isAdopting({ adoptionFile }: Layout): boolean {
  return existsSync(adoptionFile);
}

export function endAdoption({ adoptionFile }: Layout): void {
  rmSync(adoptionFile, { force: true });
}
