import { mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { PUBLIC_REALM } from "../../../core/entry.ts";
import { BlobFinder } from "../../../storage/blobs/blob-finder.ts";
import { TakenRootTable } from "../../../storage/declarations/taken-roots.ts";
import { FaultLog } from "../../../storage/faults.ts";
import { copyIndex } from "../../../storage/index-copy/copy-index.ts";
import { DailyCopy, indexCopiedMs } from "../../../storage/index-copy/daily-copy.ts";
import { layoutOf } from "../../../storage/layout.ts";
import type { LocalStore } from "../../../storage/local-store.ts";
import { openStoreForReading } from "../../../storage/open-store.ts";
import { keyOf, readBlob, storeBody } from "../bodies.ts";
import { test as base } from "../workbench.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const PUBLIC = Buffer.from("a package that everybody may have");
const PRIVATE = Buffer.from("a package of somebody");
const SPOILT = Buffer.from("a package that a bad disk changed");
const EVICTED = Buffer.from("a package that was there when the index was copied, and is not now");
const LATE = Buffer.from("a package that came after the copy");
const SHA512 = "ab".repeat(64);

/** `test` with what copies the index of a store, which holds one entry. */
const test = base
  .extend("layout", ({ rootDir }) => layoutOf(rootDir))
  .extend("dailyCopy", async ({ store, layout, clock, log }, { onCleanup }) => {
    await storeBody(store, "https://o/public.deb", PUBLIC);
    const faults = new FaultLog(log);
    const dailyCopy = new DailyCopy({ layout, isWorthwhile: () => true, faults, clock: clock.read, log });
    onCleanup(() => dailyCopy.close());
    return dailyCopy;
  })
  /** A store that was closed and is to lose its index: copied when it held four entries, one of which has lost its blob by now, and one came later. */
  .extend("copied", async ({ store, layout, rootDir, clock }) => {
    await storeBody(store, "https://o/public.deb", PUBLIC);
    await storeBody(store, "https://o/private.deb", PRIVATE, { realm: "somebody" });
    await storeBody(store, "https://o/spoilt.deb", SPOILT);
    const evicted = await storeBody(store, "https://o/evicted.deb", EVICTED);
    new BlobFinder(store.parts.db).noteAlias("sha512", SHA512, digestOf(PUBLIC));
    new TakenRootTable(store.parts.db).note({ client: "c", place: "p", root: digestOf(PUBLIC) }, clock.nowMs);
    await store.settled();
    copyIndex({ rootDir, atMs: clock.nowMs });
    store.remove(evicted);
    await storeBody(store, "https://o/late.deb", LATE);
    await store.close();
    return layout;
  });

function mayHave(store: LocalStore, body: Buffer, realm: string): boolean {
  const declaration = { algorithm: "sha256", digest: digestOf(body), bytes: body.length } as const;
  return new BlobFinder(store.parts.db).find(declaration, realm) !== undefined;
}

test("a copy says when it was made to the millisecond, whatever the millisecond", async ({
  store,
  layout,
  rootDir,
}) => {
  await storeBody(store, "https://o/public.deb", PUBLIC);
  for (let atMs = 1_795_257_900_000; atMs < 1_795_257_900_008; atMs += 1) {
    copyIndex({ rootDir, atMs });
    expect(indexCopiedMs(layout)).toBe(atMs);
  }
});

test("an index is copied when it has been open for five minutes, and once a day after that", async ({
  dailyCopy,
  layout,
  clock,
}) => {
  await dailyCopy.copyIfDue();
  expect(indexCopiedMs(layout)).toBeUndefined();
  clock.advance(5 * MINUTE_MS);
  const firstMs = clock.nowMs;
  await dailyCopy.copyIfDue();
  expect(indexCopiedMs(layout)).toBe(firstMs);
  clock.advance(DAY_MS - MINUTE_MS);
  await dailyCopy.copyIfDue();
  expect(indexCopiedMs(layout)).toBe(firstMs);
  clock.advance(MINUTE_MS);
  await dailyCopy.copyIfDue();
  expect(indexCopiedMs(layout)).toBe(clock.nowMs);
});

test("the copy holds what was stored, while the store goes on writing, and leaves nothing else behind", async ({
  dailyCopy,
  layout,
  store,
  clock,
}) => {
  clock.advance(5 * MINUTE_MS);
  const copying = dailyCopy.copyIfDue();
  for (let n = 0; n < 20; n++) await storeBody(store, `https://o/${n}.deb`, Buffer.from(`body ${n}`));
  await copying;
  const copy = new Database(layout.indexCopyFile, { readonly: true });
  const { n } = copy.prepare<[], { n: number }>("SELECT count(*) AS n FROM entry").get() ?? { n: 0 };
  copy.close();
  expect(n).toBeGreaterThanOrEqual(1);
  expect((await readdir(layout.rootDir)).filter((name) => name.startsWith("index.copy"))).toEqual([
    "index.copy.sqlite",
  ]);
});

test("a copy that fails is one line of the log, is tried again an hour later, and the store goes on", async ({
  dailyCopy,
  layout,
  store,
  clock,
  log,
}) => {
  await mkdir(layout.indexCopyFile);
  await utimes(layout.indexCopyFile, 0, 0);
  for (const waitMs of [5 * MINUTE_MS, MINUTE_MS, 60 * MINUTE_MS]) {
    clock.advance(waitMs);
    await dailyCopy.copyIfDue();
  }
  expect(log.lines).toMatchObject([{ level: "error", facts: { fault: "copy" } }]);
  expect(await readBlob(store, digestOf(PUBLIC))).toEqual(PUBLIC);
  await rm(layout.indexCopyFile, { recursive: true });
  clock.advance(60 * MINUTE_MS);
  await dailyCopy.copyIfDue();
  expect(indexCopiedMs(layout)).toBe(clock.nowMs);
});

test("a worker that crashes is no copy: the one before stays, and the next day has another", async ({
  dailyCopy,
  layout,
  clock,
  log,
}) => {
  clock.advance(5 * MINUTE_MS);
  const firstMs = clock.nowMs;
  await dailyCopy.copyIfDue();
  process.once("worker", (worker) => void worker.terminate());
  clock.advance(DAY_MS);
  await dailyCopy.copyIfDue();
  expect(indexCopiedMs(layout)).toBe(firstMs);
  expect(log.lines).toMatchObject([{ level: "error", facts: { fault: "copy" } }]);
  clock.advance(60 * MINUTE_MS);
  await dailyCopy.copyIfDue();
  expect(indexCopiedMs(layout)).toBe(clock.nowMs);
});

test("a store that is closed copies its index when the copy is a day old, and says how old it is", async ({
  dailyCopy: _,
  store,
  rootDir,
  layout,
  clock,
}) => {
  await writeFile(layout.indexCopyFile, "");
  await utimes(layout.indexCopyFile, clock.nowMs / 1000, clock.nowMs / 1000);
  expect(store.usage()).toMatchObject({ indexCopiedMs: clock.nowMs });
  clock.advance(DAY_MS);
  await store.close();
  expect((await stat(layout.indexCopyFile)).size).toBeGreaterThan(0);
  const reader = openStoreForReading({ rootDir, maxBytes: 1 });
  expect(reader.usage()).toMatchObject({ indexCopiedMs: clock.nowMs });
  reader.close();
});

test("a damaged index never takes the place of a sound copy", async ({ copied, rootDir, clock }) => {
  const before = await readFile(copied.indexCopyFile);
  await truncate(copied.indexFile, 8192);
  expect(() => copyIndex({ rootDir, atMs: clock.nowMs })).toThrow();
  expect(await readFile(copied.indexCopyFile)).toEqual(before);
});

const LOSSES: Readonly<Record<string, (indexFile: string) => Promise<void>>> = {
  "was deleted": (indexFile) => rm(indexFile),
  "was cut to nothing": (indexFile) => truncate(indexFile),
  "is no database any more": (indexFile) => writeFile(indexFile, "this was an index once ".repeat(1000)),
};

for (const [how, lose] of Object.entries(LOSSES))
  test(`an index that ${how} comes back with its copy: entries, whose they are, and what else blobs are called`, async ({
    copied,
    open,
    log,
  }) => {
    await lose(copied.indexFile);
    const store = await open();
    await store.settled();
    expect(log.lines).toMatchObject([{ message: expect.stringMatching(/are taken into its copy of 2025-01-01T/) }]);
    expect(store.find(keyOf("https://o/public.deb").key)).toMatchObject([{ digest: digestOf(PUBLIC) }]);
    expect(await readBlob(store, digestOf(PUBLIC))).toEqual(PUBLIC);
    expect(mayHave(store, PRIVATE, "somebody")).toBe(true);
    expect(mayHave(store, PRIVATE, PUBLIC_REALM)).toBe(false);
    const alias = { algorithm: "sha512", digest: SHA512, bytes: undefined } as const;
    expect(new BlobFinder(store.parts.db).find(alias, PUBLIC_REALM)).toMatchObject({ digest: digestOf(PUBLIC) });
  });

test("what went after the copy is forgotten, what came after it is taken in, and the accounts are exact", async ({
  copied,
  open,
  clock,
}) => {
  await rm(copied.indexFile);
  const store = await open();
  await store.settled();
  expect(store.find(keyOf("https://o/evicted.deb").key)).toEqual([]);
  expect(mayHave(store, LATE, PUBLIC_REALM)).toBe(true);
  const held = [PUBLIC, PRIVATE, SPOILT, LATE];
  const blobBytes = held.reduce((sum, { length }) => sum + length, 0);
  expect(store.usage()).toMatchObject({ blobs: held.length, blobBytes, entries: 3 });
  expect(new TakenRootTable(store.parts.db).all(clock.nowMs)).toEqual([]);
  expect(await readdir(copied.rootDir)).not.toContain("adopting");
});

test("no blob that only the copy knows is given to anybody before it was hashed again", async ({ copied, open }) => {
  const file = copied.blobFile(digestOf(SPOILT));
  await rm(file);
  await writeFile(file, Buffer.from(SPOILT).fill("x", 3, 4), { mode: 0o444 });
  await rm(copied.indexFile);
  const store = await open();
  await store.settled();
  await expect(store.openBlob(digestOf(SPOILT))).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  expect(store.find(keyOf("https://o/spoilt.deb").key)).toEqual([]);
});

test("a damaged copy is set aside, and the blobs are taken into a new index", async ({ copied, open, log, clock }) => {
  await rm(copied.indexFile);
  await truncate(copied.indexCopyFile, Math.floor((await stat(copied.indexCopyFile)).size / 8192) * 4096);
  const store = await open();
  await store.settled();
  expect(log.lines).toMatchObject([
    { message: expect.stringMatching(/damaged: the copy of the index/) },
    { message: expect.stringMatching(/are taken into a new one/) },
  ]);
  expect(await readdir(copied.rootDir)).toContain(`index.copy.damaged-${clock.nowMs}.sqlite`);
  expect(store.usage()).toMatchObject({ blobs: 3, entries: 0 });
  expect(mayHave(store, PUBLIC, PUBLIC_REALM)).toBe(true);
});

test("the copy of a newer larder is left as it was, and nothing takes its place", async ({ copied, open }) => {
  await rm(copied.indexFile);
  const newer = new Database(copied.indexCopyFile);
  newer.pragma("user_version = 4711");
  newer.close();
  const before = await readFile(copied.indexCopyFile);
  await expect(open()).rejects.toMatchObject({ code: "STORE_NEWER", details: { version: 4711 } });
  expect(await readFile(copied.indexCopyFile)).toEqual(before);
  await rm(copied.indexCopyFile);
  expect((await open()).usage()).toMatchObject({ entries: 0 });
});

test("a restart in the middle of going back to the copy loses nothing", async ({ copied, open }) => {
  await rm(copied.indexFile);
  await writeFile(`${copied.indexFile}.new`, "half a copy");
  await writeFile(join(copied.rootDir, "adopting"), "");
  const store = await open();
  await store.settled();
  expect(store.usage()).toMatchObject({ blobs: 4, entries: 3 });
});
