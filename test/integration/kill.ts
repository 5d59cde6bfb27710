import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { watch } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { findRunning } from "../../cli/control/client.ts";
import type { StoreCare } from "../../cli/control/store-care.ts";
import { LarderError } from "../../core/errors.ts";
import type { Finding } from "../../storage/maintenance/verify.ts";
import { openStoreForReading, type StoreReader } from "../../storage/open-store.ts";
import { PATIENT, verifyWith } from "../storage/maintenance/keeping.ts";
import { get } from "../support/client.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { type Larder, larderEnvironment, PROGRAM } from "../support/larder.ts";
import { noise } from "../support/noise.ts";
import type { Origin } from "../support/origin.ts";
import { cleanEnvironment } from "../support/programs.ts";
import { AptPublisher, INDEX } from "../support/repositories/apt-repository.ts";
import { checkKilledStore } from "./killed-store.ts";

const FILES = 40;
/** Less than the files take together: every round evicts. */
const MAX_BYTES = 12_000_000;
const FLAGS = ["--max-bytes", String(MAX_BYTES)];
const CLIENTS = 8;
const ASKED = 30;
/** A rebuild forgets every entry; the rounds between fill the store again. */
const REBUILD_EVERY = 5;
/** Changes in the folder of the store, from the first of a rebuild on. */
const REBUILD_CHANGES = 12;

const bodyOf = (file: number): Buffer => noise(`file ${file}`, file % 4 === 0 ? 1_900_000 : 3_000 * (file + 1));

const test = base.extend("repository", async ({ folder }) => {
  const publisher = await AptPublisher.create(folder);
  return publisher.publish("repository", [{ name: "larder-killed" }]);
});

/**
 * Kills `larder serve` so many times under fills, evictions, learning, collection, purges and verifications, every fifth time
 * `larder store rebuild` after it, and looks into the store each time.
 */
export function killRounds(rounds: number): void {
  const title = `after kill -9 at a random moment, ${rounds} times over, every entry is whole, nothing is condemned and every count exact`;
  test(title, { timeout: 60_000 + rounds * 15_000 }, async ({ origin, repository, startLarder }) => {
    const seed = process.env["LARDER_TEST_SEED"] ?? String(randomInt(2 ** 32));
    console.log(`kill rounds: LARDER_TEST_SEED=${seed}`);
    for (let file = 0; file < FILES; file++) origin.serve(`/${file}`, bytesHandler(bodyOf(file)));
    let seen = 0;
    let larder = await startLarder({ flags: FLAGS });
    const rootDir = join(larder.folder, "cache/larder");
    for (let round = 0; round < rounds; round++) {
      const when = `seed ${seed}, round ${round}`;
      const random = noise(`${seed} ${round}`, 5 + ASKED);
      // A repository that this larder has never seen: it is learnt while the rest comes.
      origin.serve(`/debian-${round}/`, folderHandler(`/debian-${round}/`, repository.folder));
      const care = startCare(larder, rootDir, random);
      const urls = pathsOf(origin, `/debian-${round}`, random.subarray(5));
      await askUntil(random.readUInt32LE(0) % ASKED, larder.port, urls);
      await larder.kill();
      expect(await care, when).toEqual([]);
      if (round % REBUILD_EVERY === REBUILD_EVERY - 1) await killRebuild(larder.folder, random.readUInt8(4));
      seen += await checkKilledStore(rootDir, { when, bodyOf: (uri) => bodyFrom(uri.slice(origin.url.length)) });
      larder = await startLarder({ folder: larder.folder, flags: FLAGS });
    }
    expect(seen).toBeGreaterThan(rounds);
  });
}

function bodyFrom(path: string): Buffer | undefined {
  return /^\/\d+$/.test(path) ? bodyOf(Number(path.slice(1))) : undefined;
}

/** Metadata first: it is learnt while the rest comes. */
function pathsOf(origin: Origin, base: string, random: Buffer): string[] {
  const metadata = [`${base}/dists/stable/InRelease`, `${base}/${INDEX}/Packages.gz`];
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

/** Two of three ways to care for the store, again and again until the larder is gone. @returns what verifications found */
async function startCare({ folder }: Larder, rootDir: string, random: Buffer): Promise<readonly Finding[]> {
  const care = (await findRunning(rootDir, { HOME: folder, ...larderEnvironment(folder) }))?.care;
  if (care === undefined) throw new Error("the larder that was started does not answer");
  const reader = openStoreForReading({ rootDir, maxBytes: 0 });
  const left = random.readUInt8(4) % WAYS_TO_CARE.length;
  try {
    const ways = WAYS_TO_CARE.filter((_, way) => way !== left);
    return (await Promise.all(ways.map((way) => untilGone(() => way(care, reader))))).flat();
  } finally {
    reader.close();
  }
}

const WAYS_TO_CARE: readonly ((care: StoreCare, reader: StoreReader) => Promise<readonly Finding[]>)[] = [
  async (care) => {
    await care.collect({ maxBytes: MAX_BYTES / 2 }, PATIENT);
    return [];
  },
  async (care) => {
    await care.purge({ pattern: "**/*7" }, PATIENT);
    return [];
  },
  async (care, reader) => {
    // One that finds nothing to be judged would never hear that the larder is gone.
    await care.judge({ suspicions: [], repair: true }, PATIENT);
    return verifyWith(reader, care);
  },
];

async function untilGone(work: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  try {
    for (;;) findings.push(...(await work()));
  } catch (error) {
    if (error instanceof LarderError && error.code === "NOT_RUNNING") return findings;
    throw error;
  }
}

/** Has the index made anew, and kills that in the middle, unless it is done before. */
async function killRebuild(folder: string, random: number): Promise<void> {
  let changes = 0;
  const rootDir = join(folder, "cache/larder");
  const watcher = watch(rootDir);
  const rebuild = spawn(process.execPath, [PROGRAM, "store", "rebuild", "--force"], {
    cwd: folder,
    env: cleanEnvironment(folder, larderEnvironment(folder)),
    stdio: "ignore",
  });
  watcher.on("change", () => {
    changes += 1;
    if (changes > random % REBUILD_CHANGES) rebuild.kill("SIGKILL");
  });
  await once(rebuild, "exit");
  watcher.close();
}
