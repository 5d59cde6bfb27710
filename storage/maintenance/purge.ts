import { parseUriPattern } from "../../core/uri-pattern.ts";
import type { Purged, PurgeOrder, Watch } from "./keeping.ts";
import type { StoreParts } from "./parts.ts";
import { type EntryRow, Rows } from "./rows.ts";

/** Entries removed in one transaction, between two turns of the event loop: some two milliseconds. */
const BATCH_ENTRIES = 100;

/** Forgets the entries whose URI matches, and the blobs that nothing names any more: see {@link StoreKeeping.purge}. */
export async function purge(parts: StoreParts, { pattern }: PurgeOrder, watch: Watch): Promise<Purged> {
  const { matches } = parseUriPattern(pattern);
  const purged = { entries: 0, blobs: 0, bytes: 0, pinnedBlobs: 0 };
  let seen = 0;
  for (const rows of new Rows(parts.db).entries()) {
    const matching = rows.filter(({ uri }) => matches(uri));
    for (let at = 0; at < matching.length && !watch.signal.aborted; at += BATCH_ENTRIES) {
      const batch = matching.slice(at, at + BATCH_ENTRIES);
      purged.entries += batch.length;
      await remove(parts, batch, purged);
      await parts.turn();
    }
    seen += rows.length;
    watch.onProgress({ step: "entries", done: seen });
    await parts.turn();
    if (watch.signal.aborted) break;
  }
  return { ...purged, isInterrupted: watch.signal.aborted };
}

async function remove(
  { removeEntries, blobs, table }: StoreParts,
  batch: readonly EntryRow[],
  purged: { blobs: number; bytes: number; pinnedBlobs: number },
): Promise<void> {
  purged.pinnedBlobs += new Set(batch.map(({ digest }) => digest).filter((digest) => table.isPinned(digest))).size;
  const gone = removeEntries(batch);
  purged.blobs += gone.length;
  for (const { bytes } of gone) purged.bytes += bytes;
  await blobs.removed(gone);
}
