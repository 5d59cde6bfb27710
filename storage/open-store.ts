import { existsSync } from "node:fs";
import type { Clock } from "../core/clock.ts";
import { LarderError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { BlobTable } from "./blobs/blob-table.ts";
import { type Database, databaseFault, openDatabase, openDatabaseForReading } from "./database.ts";
import { EntryTable } from "./entries.ts";
import { indexCopiedMs } from "./index-copy/daily-copy.ts";
import { restoreIndex } from "./index-copy/restore.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { listEntries } from "./listing.ts";
import { LocalStore } from "./local-store.ts";
import { takeWriterLock, type WriterLock } from "./lock.ts";
import { beginAdoption, beginRelearning, isAdopting, isIndexLost, setAside } from "./lost-index.ts";
import { makeFolders, makePrivateDir } from "./root-dir.ts";
import { indexFile } from "./schema.ts";
import { findUnfinished } from "./staging/unfinished.ts";
import type { Store } from "./store.ts";

export interface StoreOptions {
  /** Made, readable by its user only, when it is missing. */
  readonly rootDir: string;
  /** What the blobs and the bodies under way may take together, in bytes. */
  readonly maxBytes: number;
  /** What is to stay free on the disk for others, in bytes; nothing unless given. */
  readonly minFreeBytes?: number;
  /** Sets the index aside, sound or not, and takes the blobs into its daily copy, or a new one. */
  readonly isRebuild?: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** What commands may ask of a store beside the process that writes it, or when none does. */
export type StoreReader = Pick<Store, "find" | "usage" | "list"> & {
  /** A connection that only reads, for who looks at whole tables. */
  readonly db: Database;
  readonly layout: Layout;
  close(): void;
};

/**
 * Opens the store as its one writer, making it if there is none. An index that is damaged is set aside; then, and when
 * it is gone, its daily copy takes its place, or a new one does. What has no row there, and everybody may have, is
 * taken into it, behind the first exchanges.
 * @throws LarderError `STORE_LOCKED`, `STORE_NEWER`, `STORE_UNREADABLE` or `STORE_UNWRITABLE`; nothing has been changed
 * then.
 */
export async function openStore(options: StoreOptions): Promise<LocalStore> {
  const { rootDir, clock } = options;
  const layout = layoutOf(rootDir);
  await makePrivateDir(rootDir);
  const lock = takeWriterLock(layout, { pid: process.pid, sinceMs: clock() });
  try {
    if (options.isRebuild === true) loseIndex(layout, options, "it is made anew");
    else if (isIndexLost(layout)) loseIndex(layout, options, "it is gone");
    return await openUnder(lock, layout, options);
  } catch (error) {
    lock.release(!lock.isAfterCrash && !isAdopting(layout));
    throw databaseFault(indexFile(layout), error);
  }
}

/** Opens what is there; a damaged index is replaced once. */
async function openUnder(lock: WriterLock, layout: Layout, options: StoreOptions): Promise<LocalStore> {
  try {
    return await openIndex(lock, layout, options);
  } catch (error) {
    const fault = databaseFault(indexFile(layout), error);
    if (fault.code !== "STORE_UNREADABLE") throw fault;
    loseIndex(layout, options, fault.message);
    return openIndex(lock, layout, options);
  }
}

async function openIndex(lock: WriterLock, layout: Layout, options: StoreOptions): Promise<LocalStore> {
  const { maxBytes, minFreeBytes = 0, clock, log } = options;
  let db: Database | undefined;
  try {
    db = openDatabase(indexFile(layout));
    await makeFolders(layout);
    const unfinished = await findUnfinished(layout, clock());
    const afterCrash = lock.isAfterCrash ? "remove" : undefined;
    const unnamedBlobs = isAdopting(layout) ? "adopt" : afterCrash;
    return new LocalStore({ db, layout, lock, unnamedBlobs, maxBytes, minFreeBytes, unfinished, clock, log });
  } catch (error) {
    db?.close();
    throw error;
  }
}

/**
 * What is left of an index goes aside, its copy takes its place, and the blobs are to be taken in that it does not
 * know.
 */
function loseIndex(layout: Layout, { clock, log }: StoreOptions, reason: string): void {
  beginAdoption(layout);
  beginRelearning(layout);
  const setAsideAs = setAside(indexFile(layout), clock());
  const copiedMs = restoreIndex(layout, { clock, log }) ? indexCopiedMs(layout) : undefined;
  const next = copiedMs === undefined ? "a new one" : `its copy of ${new Date(copiedMs).toISOString()}`;
  log.warn({ reason, setAsideAs }, `the index of the store was lost; its blobs are taken into ${next}`);
}

/**
 * Opens the index of an existing store without the lock, and changes nothing.
 * @throws LarderError as {@link openStore}.
 */
export function openStoreForReading({ rootDir, maxBytes }: Pick<StoreOptions, "rootDir" | "maxBytes">): StoreReader {
  const layout = layoutOf(rootDir);
  if (!existsSync(layout.indexFile)) throw noStoreIn(rootDir);
  return readerOf(openDatabaseForReading(indexFile(layout)), layout, maxBytes);
}

export function noStoreIn(rootDir: string): LarderError {
  const message = `there is no store in ${rootDir} yet; \`larder serve\` makes one`;
  return new LarderError("STORE_UNREADABLE", message, { details: { rootDir } });
}

/** Rows are not kept in memory: the writer may change them at any moment. */
function readerOf(db: Database, layout: Layout, maxBytes: number): StoreReader {
  const entries = new EntryTable(db, 0);
  const table = new BlobTable(db);
  return {
    db,
    layout,
    find: (key) => entries.find(key),
    usage: () => {
      const { blobs, bytes } = table.totals();
      return {
        blobs,
        blobBytes: bytes,
        entries: entries.count(),
        stagingBytes: 0,
        maxBytes,
        indexCopiedMs: indexCopiedMs(layout),
      };
    },
    list: (options) => listEntries(db, options),
    close: () => void db.close(),
  };
}
