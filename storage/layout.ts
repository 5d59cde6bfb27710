import { join } from "node:path";
import type { Digest } from "../core/digest.ts";

/**
 * Where everything of a store lies; nothing else builds these paths.
 *
 * ```text
 * <root>/                    0700
 *   lock.sqlite              whoever holds an exclusive transaction on it is the writer
 *   writer.json              pid and start of the writer; left behind only by a crash
 *   index.sqlite             with -wal and -shm beside it: storage/schema.ts
 *   index.damaged-<ms>.sqlite  likewise, one that was set aside: storage/lost-index.ts
 *   index.copy.sqlite        the copy of the day: storage/index-copy/
 *   adopting                 there while blobs are taken into an index that was lost
 *   relearning               there while declarations that were lost are learnt again: learn/relearn.ts
 *   declarations.sqlite      likewise: storage/declarations/schema.ts
 *   scrub.json               how far blobs have been read again: storage/maintenance/scrub-state.ts
 *   blobs/sha256/ab/abcdef…  0444, or 0400 when not everybody may have it: whole bodies named by their digest
 *   staging/<start>-<n>      0444, bodies on their way in
 *   staging/<start>-<n>.json 0600, what such a body is to become: storage/staging/unfinished.ts
 * ```
 */
export interface Layout {
  readonly rootDir: string;
  readonly lockFile: string;
  readonly writerFile: string;
  readonly indexFile: string;
  readonly indexCopyFile: string;
  readonly declarationsFile: string;
  readonly adoptionFile: string;
  readonly scrubFile: string;
  readonly relearningFile: string;
  /** The write-ahead log that SQLite keeps beside the index. */
  readonly walFile: string;
  readonly blobsDir: string;
  readonly stagingDir: string;
  /** The folder of every blob whose digest begins so. @param prefix two hex digits */
  shardDir(prefix: string): string;
  blobFile(digest: Digest): string;
  stagingFile(name: string): string;
}

export function layoutOf(rootDir: string): Layout {
  const indexFile = join(rootDir, "index.sqlite");
  const blobsDir = join(rootDir, "blobs", "sha256");
  const stagingDir = join(rootDir, "staging");
  const shardDir = (prefix: string) => join(blobsDir, prefix);
  return {
    rootDir,
    lockFile: join(rootDir, "lock.sqlite"),
    writerFile: join(rootDir, "writer.json"),
    indexFile,
    indexCopyFile: join(rootDir, "index.copy.sqlite"),
    declarationsFile: join(rootDir, "declarations.sqlite"),
    adoptionFile: join(rootDir, "adopting"),
    scrubFile: join(rootDir, "scrub.json"),
    relearningFile: join(rootDir, "relearning"),
    walFile: `${indexFile}-wal`,
    blobsDir,
    stagingDir,
    shardDir,
    blobFile: (digest) => join(shardDir(shardOf(digest)), digest),
    stagingFile: (name) => join(stagingDir, name),
  };
}

/** The shard of a blob: 256 folders keep each small enough to list, at a million blobs too. */
export function shardOf(digest: Digest): string {
  return digest.slice(0, 2);
}
