import { setImmediate as nextTurn } from "node:timers/promises";
import { type Candidate, Candidates } from "../eviction/candidates.ts";
import type { Collected, CollectOrder, Watch } from "./keeping.ts";
import type { StoreParts } from "./parts.ts";
import { digestOfBlobFile, filesOfBlobs } from "./walk.ts";

/** Blobs of one transaction: about a millisecond of SQLite, as in eviction. */
const BATCH_BLOBS = 16;
/** Files looked up between two turns of the event loop. */
const BATCH_FILES = 64;

/** Evicts to the bounds of the order, then removes files that no row names: see {@link StoreKeeping.collect}. */
export async function collect(parts: StoreParts, order: CollectOrder, watch: Watch): Promise<Collected> {
  const evicted = { blobs: 0, bytes: 0 };
  for await (const batch of condemnedBatches(parts, order)) {
    if (watch.signal.aborted) break;
    await parts.blobs.drop(batch.map(({ digest }) => digest));
    for (const { blobs, bytes } of batch) {
      evicted.blobs += blobs;
      evicted.bytes += bytes;
    }
    watch.onProgress({ step: "evict", done: evicted.blobs, bytes: evicted.bytes });
  }
  const unnamedFiles = await removeUnnamedFiles(parts, watch);
  return { ...evicted, unnamedFiles, isInterrupted: watch.signal.aborted };
}

/** What goes next, until nothing has to; each batch is gone before the next is asked for. */
async function* condemnedBatches(parts: StoreParts, order: CollectOrder): AsyncGenerator<readonly Candidate[]> {
  const { quota, clock } = parts;
  const candidates = new Candidates(parts.db);
  const hasOwnBound = order.maxBytes !== undefined || order.olderThanMs !== undefined;
  const maxBytes = order.maxBytes ?? (hasOwnBound ? Number.POSITIVE_INFINITY : quota.maxBytes);
  const usedBeforeMs = clock() - (order.olderThanMs ?? Number.POSITIVE_INFINITY);
  for (;;) {
    await parts.turn();
    parts.noteUses();
    const old = candidates.next(BATCH_BLOBS, usedBeforeMs);
    const batch = old.length > 0 ? old : excess(candidates, quota.blobBytes - maxBytes);
    if (batch.length === 0) return;
    yield batch;
  }
}

/** No more of the least recently used than it takes. */
function excess(candidates: Candidates, excessBytes: number): readonly Candidate[] {
  if (excessBytes <= 0) return [];
  let freedBytes = 0;
  return candidates.next(BATCH_BLOBS).filter(({ bytes }) => {
    const isNeeded = freedBytes < excessBytes;
    freedBytes += bytes;
    return isNeeded;
  });
}

/** @returns how many */
async function removeUnnamedFiles({ blobs, layout, table }: StoreParts, watch: Watch): Promise<number> {
  let [seen, removed] = [0, 0];
  for await (const file of filesOfBlobs(layout)) {
    if (watch.signal.aborted) break;
    const digest = digestOfBlobFile(file);
    const isUnnamed = digest !== undefined && table.get(digest) === undefined;
    if (isUnnamed && (await blobs.removeIfUnknown(digest))) removed += 1;
    seen += 1;
    if (seen % BATCH_FILES === 0) {
      watch.onProgress({ step: "files", done: seen });
      await nextTurn();
    }
  }
  return removed;
}
