import { closeSync, fdatasync, openSync } from "node:fs";
import { promisify } from "node:util";
import type { Digest } from "../../core/digest.ts";
import { systemCode } from "../../core/errors.ts";
import { type Database, transact } from "../database.ts";
import { type Layout, shardOf } from "../layout.ts";
import type { BlobTable } from "./blob-table.ts";

const datasync = promisify(fdatasync);
/**
 * fsyncs at the same time: two share the file system's journal writes, and leave half of libuv's threads to downloads.
 */
const PARALLEL_SYNCS = 2;

/**
 * Makes committed blobs durable in groups, off the hot path: one fsync was seen to take 149 ms. Files first, then the
 * folders that name them, then the rows that call them synced: what a power cut leaves behind never claims too much.
 */
export class Syncer {
  readonly #db: Database;
  readonly #table: BlobTable;
  readonly #layout: Layout;
  #waiting = new Set<Digest>();

  constructor(db: Database, table: BlobTable, layout: Layout) {
    this.#db = db;
    this.#table = table;
    this.#layout = layout;
  }

  add(digest: Digest): void {
    this.#waiting.add(digest);
  }

  /** Makes durable what was added before. On a fault everything stays to be done. */
  async sync(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const batch = this.#waiting;
    this.#waiting = new Set();
    try {
      await this.#syncFiles([...batch]);
      this.#markSynced([...batch]);
      await syncPath(this.#layout.walFile);
    } catch (error) {
      for (const digest of batch) this.#waiting.add(digest);
      throw error;
    }
  }

  async #syncFiles(digests: readonly Digest[]): Promise<void> {
    const { blobsDir } = this.#layout;
    await syncAll(digests.map((digest) => this.#layout.blobFile(digest)));
    await syncAll([...new Set(digests.map(shardOf))].map((shard) => this.#layout.shardDir(shard)));
    await syncPath(blobsDir);
  }

  /** One that was evicted and published anew meanwhile waits again: its new file was not synced. */
  #markSynced(digests: readonly Digest[]): void {
    const durable = digests.filter((digest) => !this.#waiting.has(digest));
    transact(this.#db, () => this.#table.markSynced(durable));
  }
}

async function syncAll(paths: readonly string[]): Promise<void> {
  const rest = paths.values();
  const lane = async () => {
    for (const path of rest) await syncPath(path);
  };
  await Promise.all(Array.from({ length: PARALLEL_SYNCS }, lane));
}

/**
 * What is gone by now (evicted) needs no syncing. Opening and closing a file that was written a second ago waits for
 * nothing: only the fsync is worth a thread of its own.
 */
async function syncPath(path: string): Promise<void> {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    await datasync(fd);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
