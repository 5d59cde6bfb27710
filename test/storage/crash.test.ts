import { randomInt } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { noise } from "../support/noise.ts";
import { readBlob } from "./bodies.ts";
import { Child } from "./child.ts";
import { test } from "./workbench.ts";

const ROUNDS = 8;
const CRASH_WRITER = import.meta.resolve("./crash-writer.ts");
const MAX_COMMITS = 120;

test(
  `after kill -9 at a random moment, ${ROUNDS} times over, every entry is whole and every count exact`,
  async ({ rootDir, open, log }) => {
    const seed = process.env["LARDER_TEST_SEED"] ?? String(randomInt(2 ** 32));
    console.log(`crash test: LARDER_TEST_SEED=${seed}`);
    let seen = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const child = new Child(CRASH_WRITER, [rootDir, `${seed} ${round}`]);
      try {
        for (let left = commitsBefore(seed, round); left >= 0; left--) await child.nextLine();
      } finally {
        await child.kill();
      }
      const store = await open();
      expect(await readdir(join(rootDir, "staging")), `round ${round}`).toEqual([]);
      const entries = store.list({ limit: 10_000 });
      for (const { digest, bytes } of entries) {
        const body = await readBlob(store, digest);
        expect([body.length, digestOf(body)], `round ${round}`).toEqual([bytes, digest]);
      }
      await store.settled();
      const { blobs, blobBytes } = store.usage();
      expect({ blobs, blobBytes }, `round ${round}`).toEqual(await blobsOnDisk(rootDir));
      await store.close();
      seen += entries.length;
    }
    expect(seen).toBeGreaterThan(0);
    expect(log.lines).toEqual([]);
  },
  60_000 + ROUNDS * 3_000,
);

/** How many commits the child is known to have made when it is killed; it is in the middle of the next ones then. */
function commitsBefore(seed: string, round: number): number {
  return noise(`${seed} ${round}`, 4).readUInt32LE(0) % MAX_COMMITS;
}

async function blobsOnDisk(rootDir: string): Promise<{ blobs: number; blobBytes: number }> {
  const found = await readdir(join(rootDir, "blobs"), { recursive: true, withFileTypes: true });
  const files = found.filter((each) => each.isFile());
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
  return { blobs: files.length, blobBytes: sizes.reduce((sum, size) => sum + size, 0) };
}
