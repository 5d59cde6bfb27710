import type { BlobTable } from "./blobs/blob-table.ts";
import type { Blobs } from "./blobs/blobs.ts";
import type { Syncer } from "./blobs/sync.ts";
import type { FaultLog } from "./faults.ts";
import type { Unfinished } from "./staging/unfinished.ts";
import { Upkeep } from "./upkeep.ts";

export interface ChoresDependencies {
  readonly table: BlobTable;
  readonly blobs: Blobs;
  readonly syncer: Syncer;
  readonly unfinished: Unfinished;
  readonly faults: FaultLog;
  inTransaction<T>(work: () => T): T;
  /** A turn for others between two batches of writing. */
  turn(): Promise<void>;
}

/** Rows of one transaction that only notes use: a few milliseconds. */
const USES_AT_ONCE = 500;

/**
 * What is done behind the downloads, within a second of being asked for: uses are written down, and what was committed
 * is made durable.
 */
export class Chores {
  readonly #dependencies: ChoresDependencies;
  readonly #upkeep = new Upkeep(() => this.#doAll());
  #isEnding = false;

  constructor(dependencies: ChoresDependencies) {
    this.#dependencies = dependencies;
  }

  /** Asks for them to be done soon. */
  request(): void {
    this.#upkeep.request();
  }

  /** Does them now. */
  run(): Promise<void> {
    return this.#upkeep.run();
  }

  /** From now on what fails is not tried again. */
  end(): void {
    this.#isEnding = true;
  }

  /** Writes down when blobs were used, some of them. @returns how many */
  noteUses(): number {
    const { blobs, table, inTransaction } = this.#dependencies;
    const uses = blobs.uses.take(USES_AT_ONCE);
    if (uses.length > 0) inTransaction(() => table.noteUses(uses));
    return uses.length;
  }

  noteAllUses(): void {
    while (this.noteUses() > 0);
  }

  async #doAll(): Promise<void> {
    const { unfinished, syncer, faults, turn } = this.#dependencies;
    try {
      await unfinished.dropOld();
      while (this.noteUses() > 0) await turn();
      await syncer.sync();
      faults.recovered("sync");
    } catch (error) {
      faults.report("sync", error);
      if (!this.#isEnding) this.request();
    }
  }
}
