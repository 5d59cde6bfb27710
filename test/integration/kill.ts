import { randomInt } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { digestOf } from "../../core/digest.ts";
import type { Log } from "../../core/log.ts";
import { openStore } from "../../storage/open-store.ts";
import { readBlob } from "../storage/bodies.ts";
import { AptPublisher, INDEX } from "../support/apt-repository.ts";
import { get } from "../support/client.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { noise } from "../support/noise.ts";
import type { Origin } from "../support/origin.ts";

const FILES = 40;
/** Less than the files take together: every round evicts. */
const MAX_BYTES = 12_000_000;
const CLIENTS = 8;
const ASKED = 30;

const bodyOf = (file: number): Buffer => noise(`file ${file}`, file % 4 === 0 ? 1_900_000 : 3_000 * (file + 1));

const test = base.extend("repository", async ({ folder }) => {
  const publisher = await AptPublisher.create(folder);
  return publisher.publish("repository", [{ name: "larder-killed" }]);
});

/** Kills `larder serve` so many times under fills, evictions and learning, and looks into the store each time. */
export function killRounds(rounds: number): void {
  const title = `after kill -9 at a random moment, ${rounds} times over, every entry is whole, nothing is condemned and every count exact`;
  test(title, { timeout: 60_000 + rounds * 15_000 }, async ({ origin, repository, startLarder }) => {
    const seed = process.env["LARDER_TEST_SEED"] ?? String(randomInt(2 ** 32));
    console.log(`kill rounds: LARDER_TEST_SEED=${seed}`);
    origin.serve("/debian/", folderHandler("/debian/", repository.folder));
    for (let file = 0; file < FILES; file++) origin.serve(`/${file}`, bytesHandler(bodyOf(file)));
    let seen = 0;
    let larder = await startLarder({ flags: ["--max-bytes", String(MAX_BYTES)] });
    for (let round = 0; round < rounds; round++) {
      const random = noise(`${seed} ${round}`, 4 + ASKED);
      await askUntil(random.readUInt32LE(0) % ASKED, larder.port, pathsOf(origin, random.subarray(4)));
      await larder.kill();
      seen += await checkStore(join(larder.folder, "cache/larder"), origin, `seed ${seed}, round ${round}`);
      larder = await startLarder({ folder: larder.folder, flags: ["--max-bytes", String(MAX_BYTES)] });
    }
    expect(seen).toBeGreaterThan(rounds);
  });
}

/** Metadata first: it is learnt while the rest comes. */
function pathsOf(origin: Origin, random: Buffer): string[] {
  const metadata = ["/debian/dists/stable/InRelease", `/debian/${INDEX}/Packages.gz`];
  return [...metadata, ...[...random].map((byte) => `/${byte % FILES}`)].map((path) => origin.url + path);
}

/** Has some clients ask at once, and resolves in the middle of it: when so many answers have come. */
function askUntil(answers: number, port: number, urls: readonly string[]): Promise<void> {
  const left = urls.values();
  let answered = 0;
  return new Promise((resolve) => {
    const client = async (): Promise<void> => {
      for (const url of left) {
        // What is cut by the kill does not matter here.
        await get({ port }, url).catch(() => undefined);
        answered += 1;
        if (answered > answers) resolve();
      }
    };
    for (let n = 0; n < CLIENTS; n++) void client();
  });
}

/** @returns how many entries there were */
async function checkStore(rootDir: string, origin: Origin, when: string): Promise<number> {
  const complaints: unknown[] = [];
  const complain: Log["error"] = (facts, message) => void complaints.push({ facts, message });
  const ignore = (): void => undefined;
  const log: Log = { debug: ignore, info: ignore, warn: complain, error: complain };
  // Without a limit: what was about to be evicted has to be whole, too.
  const store = await openStore({ rootDir, maxBytes: 2 ** 40, clock: systemClock, log });
  try {
    const entries = store.list({ limit: 10_000 });
    for (const { uri, digest, bytes } of entries) {
      const body = await readBlob(store, digest);
      expect([body.length, digestOf(body)], when).toEqual([bytes, digest]);
      const file = /^\/(\d+)$/.exec(uri.slice(origin.url.length))?.[1];
      if (file !== undefined && bytes === bodyOf(Number(file)).length)
        expect(body.equals(bodyOf(Number(file))), when).toBe(true);
    }
    await store.settled();
    const { blobs, blobBytes, entries: counted, stagingBytes } = store.usage();
    expect({ blobs, blobBytes, stagingBytes }, when).toEqual({ ...(await blobsOnDisk(rootDir)), stagingBytes: 0 });
    expect(counted, when).toBe(store.list({ limit: 10_000 }).length);
    expect(complaints, when).toEqual([]);
    return entries.length;
  } finally {
    await store.close();
  }
}

async function blobsOnDisk(rootDir: string): Promise<{ blobs: number; blobBytes: number }> {
  const found = await readdir(join(rootDir, "blobs"), { recursive: true, withFileTypes: true });
  const files = found.filter((each) => each.isFile());
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
  return { blobs: files.length, blobBytes: sizes.reduce((sum, size) => sum + size, 0) };
}
