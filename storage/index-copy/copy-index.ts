import { closeSync, fsyncSync, openSync, renameSync, rmSync, utimesSync } from "node:fs";
import { LarderError } from "../../core/errors.ts";
import { openDatabaseAsItIs, openDatabaseForReading } from "../database.ts";
import { layoutOf } from "../layout.ts";
import { hasPassed } from "../lost-index.ts";
import { indexCopyFile, indexFile } from "../schema.ts";

export interface CopyOrder {
  readonly rootDir: string;
  /** What the copy is to say about its age. */
  readonly atMs: number;
}

/**
 * Copies the index beside it, as it is at this moment, over the copy before; others go on reading and writing. For a
 * thread of its own: it takes a second for some 100 MiB. The copy before stays until the new one is whole, sound and
 * durable: a damaged index never takes its place.
 * @throws LarderError `STORE_UNREADABLE`, or what SQLite or the system says
 */
export function copyIndex({ rootDir, atMs }: CopyOrder): void {
  const layout = layoutOf(rootDir);
  const copy = indexCopyFile(layout);
  const draft = { ...copy, path: `${copy.path}.new` };
  rmSync(draft.path, { force: true });
  try {
    const index = openDatabaseForReading(indexFile(layout));
    try {
      index.prepare<[string]>("VACUUM INTO ?").run(draft.path);
    } finally {
      index.close();
    }
    const copied = openDatabaseAsItIs(draft);
    const isSound = hasPassed(copied, "integrity_check");
    copied.close();
    if (!isSound) throw new LarderError("STORE_UNREADABLE", "what was copied of the index is not sound");
    utimesSync(draft.path, atMs / 1000, atMs / 1000);
    syncPath(draft.path);
    renameSync(draft.path, copy.path);
    syncPath(rootDir);
  } catch (error) {
    rmSync(draft.path, { force: true });
    throw error;
  }
}

/** Makes a file, or the names in a folder, durable. */
export function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
