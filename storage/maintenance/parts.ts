import type { Clock } from "../../core/clock.ts";
import type { EntryKey } from "../../core/entry.ts";
import type { BlobFacts, BlobTable } from "../blobs/blob-table.ts";
import type { Blobs } from "../blobs/blobs.ts";
import type { Database } from "../database.ts";
import type { Quota } from "../eviction/quota.ts";
import type { Layout } from "../layout.ts";

/** What of an open store maintenance works on. Each call is short, and leaves the store consistent. */
export interface StoreParts {
  readonly db: Database;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly table: BlobTable;
  readonly blobs: Blobs;
  readonly quota: Quota;
  /** Writes down when blobs were used, as far as that waits in memory. */
  noteUses(): void;
  /** Deletes the entries, and the rows of blobs that nothing names any more. @returns those blobs; their files are still there */
  removeEntries(entries: readonly EntryKey[]): readonly BlobFacts[];
  /** Deletes an entry that can only be found by its row. @returns as {@link removeEntries} */
  removeRow(row: { readonly rowId: number } & EntryKey): readonly BlobFacts[];
  /** Takes the pin from the blobs, and deletes the rows of those that nothing names. @returns as {@link removeEntries} */
  unpin(digests: readonly BlobFacts["digest"][]): readonly BlobFacts[];
  /** Whether a file of this name in `staging/` is a body under way, or one that may be taken up again. */
  isStagingOfSomebody(name: string): boolean;
}
