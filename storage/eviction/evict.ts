import type { Digest } from "../../core/digest.ts";
import type { Log } from "../../core/log.ts";
import type { Candidate } from "./candidates.ts";
import type { Quota } from "./quota.ts";

/** Eviction goes on down to this part of the limit, so that it does not begin anew with every blob. */
const LOW_WATER = 0.95;
/** Blobs between two turns of the event loop: about a millisecond of SQLite. */
const BATCH_BLOBS = 16;

export interface EvictorDependencies {
  readonly quota: Quota;
  readonly log: Log;
  /** What to evict next, first first. */
  candidates(limit: number): readonly Candidate[];
  /** Resolves when the files are gone too. */
  drop(digests: readonly Digest[]): Promise<void>;
  /** Removes the beginnings of bodies that broke off: nobody misses them but who asks for the same again. */
  dropUnfinished(): Promise<void>;
  /** A turn for others between two batches. */
  turn(): Promise<void>;
  /** Looks again what the disk has room for. */
  look(): Promise<void>;
  onFault(error: unknown): void;
}

/** Why eviction stopped above the limit: there is no sense in trying again before something has changed. */
interface Impasse {
  readonly blobBytes: number;
  readonly limitBytes: number;
}

/** Keeps the store under its limit, in small batches off the hot path. */
export class Evictor {
  readonly #dependencies: EvictorDependencies;
  #running: Promise<void> | undefined;
  #impasse: Impasse | undefined;

  constructor(dependencies: EvictorDependencies) {
    this.#dependencies = dependencies;
  }

  /** Begins to evict when the store is over its limit. Cheap: call it whenever something has grown. */
  poke(): void {
    const { quota } = this.#dependencies;
    if (quota.usedBytes <= quota.limitBytes || this.#running !== undefined || this.#isStuck()) return;
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

  #isStuck(): boolean {
    const { blobBytes, limitBytes } = this.#dependencies.quota;
    return this.#impasse?.blobBytes === blobBytes && limitBytes <= this.#impasse.limitBytes;
  }

  async #evict(): Promise<void> {
    const { quota, dropUnfinished, turn } = this.#dependencies;
    await turn();
    await dropUnfinished();
    while (quota.usedBytes > quota.limitBytes * LOW_WATER) {
      await turn();
      const evictedBytes = await this.#evictBatch();
      if (evictedBytes === 0) return this.#stop("the store is full and nothing may be evicted");
      if (quota.isBoundByDisk && !(await this.#hasFreed(evictedBytes)))
        return this.#stop("the disk is full, and evicting frees nothing of it");
    }
    this.#impasse = undefined;
    quota.isExhausted = false;
  }

  /**
   * Says so once, until eviction works again. Below the limit there is nothing to say: only the low water was not
   * reached.
   */
  #stop(why: string): void {
    const { quota, log } = this.#dependencies;
    const { usedBytes, blobBytes, limitBytes } = quota;
    if (this.#impasse === undefined && usedBytes > limitBytes) log.warn({ usedBytes, maxBytes: limitBytes }, why);
    this.#impasse = { blobBytes, limitBytes };
    quota.isExhausted = true;
  }

  /** @returns how many bytes went */
  async #evictBatch(): Promise<number> {
    const { quota, candidates, drop } = this.#dependencies;
    const excessBytes = quota.usedBytes - quota.limitBytes * LOW_WATER;
    const batch: Digest[] = [];
    let batchBytes = 0;
    for (const { digest, bytes } of candidates(BATCH_BLOBS)) {
      if (batchBytes >= excessBytes) break;
      batch.push(digest);
      batchBytes += bytes;
    }
    await drop(batch);
    return batchBytes;
  }

  /**
   * Whether the disk has got what was evicted: a snapshot, a hard link or an open reader may still hold it, and to go
   * on would empty the store for nothing. What the disk has room for stays the same when it has, whatever is being
   * filled meanwhile.
   */
  async #hasFreed(evictedBytes: number): Promise<boolean> {
    const { quota, look } = this.#dependencies;
    const before = quota.limitBytes;
    await look();
    return quota.limitBytes > before - evictedBytes / 2;
  }
}
