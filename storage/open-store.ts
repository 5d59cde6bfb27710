import { existsSync } from "node:fs";
import type { Clock } from "../core/clock.ts";
import { LarderError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { BlobTable } from "./blob-table.ts";
import { type Database, databaseFault, openDatabase, openDatabaseForReading } from "./database.ts";
import { EntryTable } from "./entries.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { listEntries } from "./listing.ts";
import { LocalStore } from "./local-store.ts";
import { takeWriterLock } from "./lock.ts";
import { makeFolders, makePrivateDir } from "./root-dir.ts";
import { indexFile } from "./schema.ts";
import type { Store } from "./store.ts";
import { findUnfinished } from "./unfinished.ts";

export interface StoreOptions {
  /** Made, readable by its user only, when it is missing. */
  readonly rootDir: string;
  /** What the blobs and the bodies under way may take together, in bytes. */
  readonly maxBytes: number;
  /** What is to stay free on the disk for others, in bytes; nothing unless given. */
  readonly minFreeBytes?: number;
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
 * Opens the store as its one writer, making it if there is none.
 * @throws LarderError `STORE_LOCKED`, `STORE_NEWER`, `STORE_UNREADABLE` or `STORE_UNWRITABLE`; nothing has been changed then.
 */
export async function openStore({
  rootDir,
  maxBytes,
  minFreeBytes = 0,
  clock,
  log,
}: StoreOptions): Promise<LocalStore> {
  const layout = layoutOf(rootDir);
  await makePrivateDir(rootDir);
  const lock = takeWriterLock(layout, { pid: process.pid, sinceMs: clock() });
  const file = indexFile(layout);
  let db: Database | undefined;
  try {
    const isNew = !existsSync(file.path);
    db = openDatabase(file);
    await makeFolders(layout);
    const unfinished = await findUnfinished(layout, clock());
    const mayHoldUnnamed = lock.isAfterCrash && !isNew;
    return new LocalStore({ db, layout, lock, mayHoldUnnamed, maxBytes, minFreeBytes, unfinished, clock, log });
  } catch (error) {
    db?.close();
    lock.release(!lock.isAfterCrash);
    throw databaseFault(file, error);
  }
}

/** Opens the index of an existing store without the lock, and changes nothing. @throws LarderError as {@link openStore}. */
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
      return { blobs, blobBytes: bytes, entries: entries.count(), stagingBytes: 0, maxBytes };
    },
    list: (options) => listEntries(db, options),
    close: () => void db.close(),
  };
}
