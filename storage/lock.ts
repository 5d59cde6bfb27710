import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { LarderError, systemCode } from "../core/errors.ts";
import { connect, type Database } from "./database.ts";
import { unwritable } from "./faults.ts";
import type { Layout } from "./layout.ts";

/** Two that start at the same moment may each make the other's first try fail; this lets one of them win. */
const CONTEST_MS = 250;

/** Who writes a store. */
export interface Writer {
  readonly pid: number;
  readonly sinceMs: number;
}

export interface WriterLock {
  /** Whether the writer before this one ended without tidying up. */
  readonly isAfterCrash: boolean;
  /** @param isTidy whether the next writer may trust what it finds; false leaves it the traces of a crash */
  release(isTidy: boolean): void;
}

/**
 * Makes this process the one writer of the store, by an exclusive transaction on a database of its own: the system
 * drops that lock when the process ends, however it ends.
 * @throws LarderError `STORE_LOCKED` naming the holder, or `STORE_UNWRITABLE`.
 */
export function takeWriterLock(layout: Layout, writer: Writer): WriterLock {
  const db = beginExclusive(layout);
  try {
    const isAfterCrash = existsSync(layout.writerFile);
    writeWriter(layout, writer);
    return { isAfterCrash, release: (isTidy) => release(layout, db, isTidy) };
  } catch (error) {
    db.close();
    throw unwritable(`the store ${layout.rootDir}`, error);
  }
}

function beginExclusive(layout: Layout): Database {
  let db: Database | undefined;
  try {
    db = connect(layout.lockFile, { timeout: CONTEST_MS });
    db.exec("BEGIN EXCLUSIVE");
    return db;
  } catch (error) {
    db?.close();
    if (systemCode(error)?.startsWith("SQLITE_BUSY")) throw locked(layout);
    throw unwritable(`the store ${layout.rootDir}`, error);
  }
}

function locked(layout: Layout): LarderError {
  const writer = readWriter(layout);
  const holder =
    writer === undefined
      ? "another process"
      : `process ${writer.pid}, running since ${new Date(writer.sinceMs).toISOString()}`;
  return new LarderError(
    "STORE_LOCKED",
    `the store ${layout.rootDir} is in use by ${holder}; use that one, end it, or choose another folder with --root`,
    { details: { rootDir: layout.rootDir, pid: writer?.pid, sinceMs: writer?.sinceMs } },
  );
}

/** By rename, so that nobody reads half of it. */
function writeWriter({ writerFile }: Layout, writer: Writer): void {
  writeFileSync(`${writerFile}.new`, `${JSON.stringify(writer)}\n`);
  renameSync(`${writerFile}.new`, writerFile);
}

/** @returns `undefined` when the holder has not written it yet, or nobody holds the lock. */
function readWriter({ writerFile }: Layout): Writer | undefined {
  try {
    const { pid, sinceMs } = JSON.parse(readFileSync(writerFile, "utf8")) as Partial<Writer>;
    return typeof pid === "number" && typeof sinceMs === "number" ? { pid, sinceMs } : undefined;
  } catch {
    return undefined;
  }
}

function release({ writerFile }: Layout, db: Database, isTidy: boolean): void {
  try {
    if (isTidy) rmSync(writerFile, { force: true });
  } catch {
    // A disk that has become read-only: the next writer only looks for leftovers in vain.
  }
  db.close();
}
