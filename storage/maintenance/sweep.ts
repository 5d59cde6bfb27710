import { readdir } from "node:fs/promises";
import { type Digest, parseDigest } from "../../core/digest.ts";
import type { Blobs } from "../blobs/blobs.ts";
import type { Database } from "../database.ts";
import type { FaultLog } from "../faults.ts";
import type { Layout } from "../layout.ts";
import { endAdoption } from "../lost-index.ts";
import { Rows } from "./rows.ts";

/**
 * What becomes of blobs that no row names: a crash left some that nobody ever named, or the index that named them was
 * lost. What went after an index was copied is named by that copy, and forgotten before others are adopted.
 */
export type UnnamedBlobs = "remove" | "adopt";

export interface SweepDependencies {
  readonly db: Database;
  readonly layout: Layout;
  readonly blobs: Blobs;
  readonly faults: FaultLog;
}

/** Goes through the blobs on disk behind the first exchanges, and deals with those that the index does not know. */
export class Sweep {
  readonly #dependencies: SweepDependencies;
  /** Resolves when it has ended, whether or not it saw all. */
  readonly done: Promise<void>;
  #isTidy: boolean;
  #isEnding = false;

  /** @param unnamedBlobs `undefined` when there can be none */
  constructor(dependencies: SweepDependencies, unnamedBlobs: UnnamedBlobs | undefined) {
    this.#dependencies = dependencies;
    this.#isTidy = unnamedBlobs === undefined;
    this.done = unnamedBlobs === undefined ? Promise.resolve() : this.#sweep(unnamedBlobs);
  }

  /** Whether every blob on disk has been dealt with; else the next start has to. */
  get isTidy(): boolean {
    return this.#isTidy;
  }

  /** Ends it after the blob under way. */
  end(): void {
    this.#isEnding = true;
  }

  async #sweep(unnamedBlobs: UnnamedBlobs): Promise<void> {
    const { layout, blobs, faults } = this.#dependencies;
    try {
      if (unnamedBlobs === "adopt") await this.#forgetGone();
      for await (const digest of blobsOnDisk(layout)) {
        if (this.#isEnding) return;
        if (unnamedBlobs === "adopt") await blobs.adoptIfUnknown(digest);
        else await blobs.removeIfUnknown(digest);
      }
      if (unnamedBlobs === "adopt") endAdoption(layout);
      this.#isTidy = true;
    } catch (error) {
      faults.report("blob", error);
    }
  }

  async #forgetGone(): Promise<void> {
    const { db, blobs } = this.#dependencies;
    for (const batch of new Rows(db).blobs())
      for (const { digest } of batch) {
        if (this.#isEnding) return;
        await blobs.forgetIfGone(digest);
      }
  }
}

async function* blobsOnDisk({ blobsDir, shardDir }: Layout): AsyncGenerator<Digest> {
  for (const shard of await readdir(blobsDir)) {
    for (const name of await readdir(shardDir(shard))) {
      const digest = parseDigest(name);
      if (digest !== undefined) yield digest;
    }
  }
}
