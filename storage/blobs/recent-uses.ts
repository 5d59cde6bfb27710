import type { Clock } from "../../core/clock.ts";
import type { Digest } from "../../core/digest.ts";
import type { LastUsed } from "./blob-table.ts";

/** When blobs were used last, until somebody writes that down. */
export class RecentUses {
  readonly #clock: Clock;
  readonly #atMs = new Map<Digest, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(digest: Digest): void {
    this.#atMs.set(digest, this.#clock());
  }

  /** Up to `limit` of those that were not taken yet. */
  take(limit: number): readonly LastUsed[] {
    const taken = [...this.#atMs].slice(0, limit);
    for (const [digest] of taken) this.#atMs.delete(digest);
    return taken;
  }
}
