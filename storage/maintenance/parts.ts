import type { Clock } from "../../core/clock.ts";
import type { Digest } from "../../core/digest.ts";
import type { EntryKey } from "../../core/entry.ts";
import type { BlobFacts, BlobTable } from "../blobs/blob-table.ts";
import type { Blobs } from "../blobs/blobs.ts";
import type { Chores } from "../chores.ts";
import type { Database } from "../database.ts";
import type { EntryTable } from "../entries.ts";
import type { Quota } from "../eviction/quota.ts";
import type { Layout } from "../layout.ts";
import type { Stagings } from "../staging/stagings.ts";

/** What of an open store maintenance works on. Each call is short, and leaves the store consistent. */
export interface StoreParts {
  readonly db: Database;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly table: BlobTable;
  readonly blobs: Blobs;
  readonly quota: Quota;
  /** A turn for others between two batches of writing. */
  turn(): Promise<void>;
  /** Writes down when blobs were used, as far as that waits in memory. */
  noteUses(): void;
  /**
   * Deletes the entries, and the rows of blobs that nothing names any more, with what lives and dies with those.
   * @returns those blobs; their files are still there
   */
  removeEntries(entries: readonly EntryKey[]): readonly BlobFacts[];
  /** Deletes an entry that can only be found by its row. @returns as {@link removeEntries} */
  removeRow(row: { readonly rowId: number } & EntryKey): readonly BlobFacts[];
  /**
   * Takes the pin from the blobs, and deletes the rows of those that nothing names.
   * @returns as {@link removeEntries}
   */
  unpin(digests: readonly Digest[]): readonly BlobFacts[];
  /** Whether a file of this name in `staging/` is a body under way, or one that may be taken up again. */
  isStagingOfSomebody(name: string): boolean;
  /** Resolves when what a crash left among the blobs has been dealt with. */
  swept(): Promise<void>;
}

interface Pieces extends Pick<StoreParts, "db" | "layout" | "clock" | "table" | "blobs" | "quota" | "turn" | "swept"> {
  readonly entries: EntryTable;
  readonly stagings: Stagings;
  readonly chores: Chores;
  inTransaction<T>(work: () => T): T;
  /** Deletes the rows of the blobs and their companions, inside a transaction. */
  dropRows(digests: readonly Digest[]): readonly BlobFacts[];
}

/** What maintenance may do with the pieces of a store. */
export function partsOf({ entries, stagings, chores, inTransaction, dropRows, ...shared }: Pieces): StoreParts {
  const { table } = shared;
  const dropUnnamed = (digests: readonly (Digest | undefined)[]): readonly BlobFacts[] =>
    dropRows([...new Set(digests)].filter((digest) => digest !== undefined).filter((one) => table.isUnnamed(one)));
  return {
    ...shared,
    noteUses: () => chores.noteAllUses(),
    removeEntries: (gone) => inTransaction(() => dropUnnamed(gone.map((entry) => entries.remove(entry)))),
    removeRow: ({ rowId, ...entry }) => inTransaction(() => dropUnnamed([entries.removeRow(rowId, entry)])),
    unpin: (digests) =>
      inTransaction(() => {
        table.setPinned(digests, false);
        return dropUnnamed(digests);
      }),
    isStagingOfSomebody: (name) => stagings.mayBeUnderWay(name),
  };
}
