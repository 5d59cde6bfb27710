import { rm, writeFile } from "node:fs/promises";
import { expect } from "vitest";
import type { Digest } from "../../../core/digest.ts";
import { layoutOf } from "../../../storage/layout.ts";
import { Scrubber, type ScrubberOptions } from "../../../storage/maintenance/scrub.ts";
import { noise } from "../../support/noise.ts";
import { readBlob, storeBody } from "../bodies.ts";
import { test as base, blobFile, blobNames, flipBit, makeUnreadable } from "./keeping.ts";

const MIB = 1024 * 1024;
const MONTH_MS = 30 * 24 * 60 * 60 * 1000;

/** `test` with scrubbers of the store that rest for no time; a test may see how long they would, and act meanwhile. */
const test = base.extend("scrubber", async ({ clock, log, store }, { onCleanup }) => {
  const scrubbers: Scrubber[] = [];
  onCleanup(async () => {
    for (const scrubber of scrubbers) await scrubber.close();
  });
  return (options: Partial<ScrubberOptions> = {}): Scrubber => {
    const rest = () => Promise.resolve();
    const { parts } = store;
    const scrubber = new Scrubber({ parts, everyMs: MONTH_MS, clock: clock.read, log, rest, ...options });
    scrubbers.push(scrubber);
    return scrubber;
  };
});

test("a flipped bit is found in a blob of any length, which is never served again; all others stay", async ({
  store,
  scrubber,
  rootDir,
  log,
}) => {
  const bodies = [1, 70_000, 3 * MIB].flatMap((bytes) => [noise(`good ${bytes}`, bytes), noise(`bad ${bytes}`, bytes)]);
  const entries = [];
  for (const [n, body] of bodies.entries()) entries.push(await storeBody(store, `http://o/${n}`, body));
  const bad = entries.filter((_, n) => n % 2 === 1).map(({ digest }) => digest);
  for (const digest of bad) await flipBit(blobFile(rootDir, digest));
  const scrub = scrubber();
  await scrub.look();
  for (const [n, { key, digest }] of entries.entries()) {
    if (n % 2 === 0) expect((await readBlob(store, digest)).equals(bodies[n] as Buffer)).toBe(true);
    else expect(store.find(key)).toEqual([]);
  }
  for (const digest of bad) await expect(readBlob(store, digest)).rejects.toMatchObject({ code: "BLOB_MISSING" });
  expect(await blobNames(rootDir)).toHaveLength(3);
  expect(store.usage()).toMatchObject({ blobs: 3, entries: 3 });
  expect(scrub.report()).toMatchObject({ round: undefined, last: { blobs: 6, lost: 3, unread: 0 } });
  expect(log.lines.map(({ facts }) => facts["digest"]).sort()).toEqual([...bad].sort());
});

test("what only the first reading took for damaged stays", async ({ store, scrubber, rootDir, log }) => {
  const body = noise("mended", MIB);
  const { digest } = await storeBody(store, "http://o/a", body);
  await flipBit(blobFile(rootDir, digest));
  const mend = async () => {
    await rm(blobFile(rootDir, digest), { force: true });
    await writeFile(blobFile(rootDir, digest), body);
  };
  const scrub = scrubber({ rest: mend });
  await scrub.look();
  expect(scrub.report()).toMatchObject({ last: { blobs: 1, lost: 0 } });
  expect((await readBlob(store, digest)).equals(body)).toBe(true);
  expect(log.lines).toEqual([]);
});

test("what the system cannot read is told and stays", async ({ store, scrubber, rootDir, log }) => {
  const { digest } = await storeBody(store, "http://o/a", noise("unreadable", 1_000));
  await makeUnreadable(rootDir, digest);
  const scrub = scrubber();
  await scrub.look();
  expect(scrub.report()).toMatchObject({ last: { blobs: 1, lost: 0, unread: 1 } });
  expect(store.usage()).toMatchObject({ blobs: 1, entries: 1 });
  expect(log.lines).toMatchObject([{ level: "warn", facts: { digest } }]);
});

test("a round is due at first, and then every month, whichever way the clock goes", async ({
  store,
  scrubber,
  clock,
}) => {
  await storeBody(store, "http://o/a", noise("due", 1_000));
  const scrub = scrubber();
  const startedMs = () => scrub.report().last?.startedMs;
  await scrub.look();
  const first = clock.nowMs;
  expect(startedMs()).toBe(first);
  clock.advance(MONTH_MS - 1);
  await scrub.look();
  expect(startedMs()).toBe(first);
  clock.advance(1);
  await scrub.look();
  expect(startedMs()).toBe(first + MONTH_MS);
  clock.advance(-2 * MONTH_MS);
  await scrub.look();
  expect(startedMs()).toBe(first - MONTH_MS);
});

test("a round that ends with larder goes on behind the blob it was at, and counts on", async ({ store, scrubber }) => {
  const digests: Digest[] = [];
  for (let n = 0; n < 40; n++) digests.push((await storeBody(store, `http://o/${n}`, noise(`${n}`, MIB))).digest);
  let rests = 0;
  const first: Scrubber = scrubber({
    rest: async () => {
      rests += 1;
      if (rests === 11) void first.close();
    },
  });
  await first.look();
  await first.close();
  const { round } = first.report();
  expect(round?.blobs).toBeGreaterThan(0);
  expect(round?.blobs).toBeLessThan(40);
  const next = scrubber();
  expect(next.report()).toEqual(first.report());
  // What comes before its place meanwhile waits for the next round.
  await next.look();
  expect(next.report()).toMatchObject({ round: undefined, last: { blobs: 40, bytes: 40 * MIB, lost: 0 } });
});

test("it rests for as long as 16 MiB a second asks for, small blobs among them, and tells how far it is", async ({
  store,
  scrubber,
}) => {
  for (let n = 0; n < 8; n++) await storeBody(store, `http://o/${n}`, noise(`${n}`, 2 * MIB));
  for (let n = 0; n < 64; n++) await storeBody(store, `http://o/small/${n}`, noise(`small ${n}`, 10));
  let restedMs = 0;
  const shares: number[] = [];
  const scrub: Scrubber = scrubber({
    rest: async (ms) => {
      restedMs += ms;
      shares.push(scrub.report().round?.share ?? 0);
    },
  });
  await scrub.look();
  expect(restedMs).toBeGreaterThanOrEqual(1_000);
  expect(restedMs).toBeLessThan(1_500);
  expect(shares).toEqual(shares.toSorted((one, other) => one - other));
  expect(shares.at(-1)).toBeGreaterThan(0.5);
});

test("it pauses while a body comes in, and goes on when that has come, or will not", async ({ store, scrubber }) => {
  await storeBody(store, "http://o/a", noise("busy", 2 * MIB));
  const filling = await store.stage({});
  const rests: number[] = [];
  const scrub = scrubber({
    rest: async (ms) => {
      rests.push(ms);
      if (rests.length === 3) await filling.close();
    },
  });
  await scrub.look();
  expect(rests.slice(1, 3)).toEqual([500, 500]);
  expect(rests[3]).toBeLessThan(500);
});

test("it goes on after some seconds when bodies never cease to come in", async ({ store, scrubber }) => {
  await storeBody(store, "http://o/a", noise("never idle", MIB));
  const stalled = await store.stage({});
  const pauses: number[] = [];
  await scrubber({ rest: async (ms) => void pauses.push(ms) }).look();
  expect(pauses.filter((ms) => ms === 500)).toHaveLength(20);
  await stalled.close();
});

test("it is never due when it is to be done never", async ({ store, scrubber }) => {
  await storeBody(store, "http://o/a", noise("never", 1_000));
  const scrub = scrubber({ everyMs: 0 });
  await scrub.look();
  expect(scrub.report()).toEqual({ everyMs: 0, round: undefined, last: undefined });
});

test("a state that nobody can read costs one round more", async ({ store, scrubber, rootDir }) => {
  await storeBody(store, "http://o/a", noise("state", 1_000));
  await writeFile(layoutOf(rootDir).scrubFile, '{"round":{"startedMs":"yesterday"},"last":[');
  const scrub = scrubber();
  expect(scrub.report()).toMatchObject({ round: undefined, last: undefined });
  await scrub.look();
  expect(scrubber().report()).toMatchObject({ last: { blobs: 1 } });
});
