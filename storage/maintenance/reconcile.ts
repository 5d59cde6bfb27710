import { stat } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Digest } from "../../core/digest.ts";
import { systemCode } from "../../core/errors.ts";
import { transact } from "../database.ts";
import type { Reconciled, Watch } from "./keeping.ts";
import type { StoreParts } from "./parts.ts";
import { Rows } from "./rows.ts";
import { digestOfBlobFile, filesOfBlobs } from "./walk.ts";

/** Files looked up between two turns of the event loop. */
const BATCH_FILES = 64;
/** Blobs of one realm are not readable by all: storage/blob-files.ts. */
const READABLE_BY_ALL = 0o004;

/**
 * Has the index agree with the files, after it was lost or an older copy took its place: see {@link StoreKeeping.reconcile}. What is
 * taken in is only known by its digest: the next client of a repository that declares it gets it from here.
 */
export async function reconcile(parts: StoreParts, watch: Watch): Promise<Reconciled> {
  const lostBlobs = await dropLost(parts, watch);
  const adopted = await adoptUnknown(parts, watch);
  return { ...adopted, lostBlobs, isInterrupted: watch.signal.aborted };
}

async function dropLost({ db, blobs, layout }: StoreParts, watch: Watch): Promise<number> {
  let [seen, lost] = [0, 0];
  for (const batch of new Rows(db).blobs()) {
    for (const { digest, bytes } of batch) {
      if (watch.signal.aborted) return lost;
      seen += 1;
      if (seen % BATCH_FILES === 0) watch.onProgress({ step: "rows", done: seen });
      if ((await factsOf(layout.blobFile(digest)))?.size === bytes) continue;
      if ((await blobs.judge(digest, true)) === "repaired") lost += 1;
    }
    await nextTurn();
  }
  return lost;
}

async function adoptUnknown(
  parts: StoreParts,
  watch: Watch,
): Promise<Pick<Reconciled, "adoptedBlobs" | "adoptedBytes">> {
  const adopted = { adoptedBlobs: 0, adoptedBytes: 0 };
  let seen = 0;
  for await (const file of filesOfBlobs(parts.layout)) {
    if (watch.signal.aborted) break;
    seen += 1;
    if (seen % BATCH_FILES === 0) watch.onProgress({ step: "files", done: seen });
    const digest = digestOfBlobFile(file);
    const bytes = digest === undefined ? undefined : await adopt(parts, digest);
    if (bytes === undefined) continue;
    adopted.adoptedBlobs += 1;
    adopted.adoptedBytes += bytes;
  }
  return adopted;
}

/** @returns its length, unless the index knew it or it has gone */
async function adopt({ db, blobs, table, layout, clock }: StoreParts, digest: Digest): Promise<number | undefined> {
  if (table.get(digest) !== undefined) return undefined;
  const facts = await factsOf(layout.blobFile(digest));
  if (facts === undefined) return undefined;
  const { size: bytes, mode, mtimeMs } = facts;
  const isPublic = (mode & READABLE_BY_ALL) !== 0;
  // Nobody knows when it was used; that it was stored then is certain.
  const usedMs = Math.min(Math.floor(mtimeMs), clock());
  const isNew = await blobs.adopt(digest, bytes, () =>
    transact(db, () => table.adopt({ digest, bytes }, isPublic, usedMs)),
  );
  return isNew ? bytes : undefined;
}

async function factsOf(path: string): Promise<{ size: number; mode: number; mtimeMs: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
