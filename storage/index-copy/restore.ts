import { constants, copyFileSync, existsSync, renameSync, rmSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { type Database, openDatabase, transact } from "../database.ts";
import type { Layout } from "../layout.ts";
import { isSound, setAside } from "../lost-index.ts";
import { indexCopyFile, indexFile } from "../schema.ts";
import { syncPath } from "./copy-index.ts";

/**
 * Puts the daily copy where the index was; the copy itself stays. One that is not sound is set aside. Atomic: until all
 * is done there is no index.
 * @returns whether there is an index now
 * @throws LarderError `STORE_NEWER` for a copy that a newer larder made, which is left as it was; `STORE_UNWRITABLE`
 */
export function restoreIndex(layout: Layout, { clock, log }: { readonly clock: Clock; readonly log: Log }): boolean {
  const copy = indexCopyFile(layout);
  if (!existsSync(copy.path)) return false;
  if (!isSound(copy, "integrity_check")) {
    log.warn({ setAsideAs: setAside(copy, clock()) }, "damaged: the copy of the index; larder does without it");
    return false;
  }
  const draft = { ...indexFile(layout), path: `${layout.indexFile}.new` };
  rmSync(draft.path, { force: true });
  copyFileSync(copy.path, draft.path, constants.COPYFILE_FICLONE);
  const db = openDatabase(draft);
  forgetWhatChanges(db);
  db.close();
  syncPath(draft.path);
  renameSync(draft.path, layout.indexFile);
  syncPath(layout.rootDir);
  return true;
}

/**
 * What holds for the moment of the copy only. A blob may have gone and come again since then, so none is known to be
 * durable. Clients took other roots: they are better served by the newest than by one they have left.
 */
function forgetWhatChanges(db: Database): void {
  transact(db, () => {
    db.exec("UPDATE blob SET synced = 0");
    db.exec("DELETE FROM taken_root");
  });
}
