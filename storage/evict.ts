import { setImmediate as nextTurn } from "node:timers/promises";
import type { Digest } from "../core/digest.ts";
import type { Log } from "../core/log.ts";
import type { BlobFacts } from "./blob-table.ts";
import type { Quota } from "./quota.ts";

/** Eviction goes on down to this part of the limit, so that it does not begin anew with every blob. */
const LOW_WATER = 0.95;
/** Blobs between two turns of the event loop: about a millisecond of SQLite. */
const BATCH_BLOBS = 16;

export interface EvictorDependencies {
  readonly quota: Quota;
  readonly log: Log;
  /** What to evict next, first first. */
  candidates(limit: number): readonly BlobFacts[];
  /** Resolves when the files are gone too. */
  drop(digests: readonly Digest[]): Promise<void>;
  onFault(error: unknown): void;
}

/** Keeps the store under its limit, in small batches off the hot path. */
export class Evictor {
  readonly #dependencies: EvictorDependencies;
  #running: Promise<void> | undefined;
  /** What the blobs held when nothing more could be evicted; there is no sense in trying before that changes. */
  #stuckAtBytes: number | undefined;

  constructor(dependencies: EvictorDependencies) {
    this.#dependencies = dependencies;
  }

  /** Begins to evict when the store is over its limit. Cheap: call it whenever something has grown. */
  poke(): void {
    const { quota } = this.#dependencies;
    if (quota.usedBytes <= quota.maxBytes || this.#running !== undefined) return;
    if (quota.blobBytes === this.#stuckAtBytes) return;
    this.#running = this.#evict()
      .catch(this.#dependencies.onFault)
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Resolves when nothing is being evicted. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #evict(): Promise<void> {
    const { quota, log } = this.#dependencies;
    while (quota.usedBytes > quota.maxBytes * LOW_WATER) {
      await nextTurn();
      if ((await this.#evictBatch()) > 0) continue;
      if (this.#stuckAtBytes === undefined && quota.usedBytes > quota.maxBytes)
        log.warn(
          { usedBytes: quota.usedBytes, maxBytes: quota.maxBytes },
          "the store is full and nothing may be evicted",
        );
      this.#stuckAtBytes = quota.blobBytes;
      return;
    }
    this.#stuckAtBytes = undefined;
  }

  /** @returns how many went */
  async #evictBatch(): Promise<number> {
    const { quota, candidates, drop } = this.#dependencies;
    let excessBytes = quota.usedBytes - quota.maxBytes * LOW_WATER;
    const batch: Digest[] = [];
    for (const { digest, bytes } of candidates(BATCH_BLOBS)) {
      if (excessBytes <= 0) break;
      batch.push(digest);
      excessBytes -= bytes;
    }
    await drop(batch);
    return batch.length;
  }
}
