import { writeFile } from "node:fs/promises";
import { expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { Candidates } from "../../../storage/eviction/candidates.ts";
import { noise } from "../../support/noise.ts";
import { storeBody } from "../bodies.ts";
import { blobFile, blobNames, impatientAfter, PATIENT, test } from "./keeping.ts";

const DAY_MS = 86_400_000;
const BODY_BYTES = 1_000;

test("what was not used for so long goes, roots too, and nothing else", async ({ store, keeper, clock }) => {
  await storeBody(store, "http://o/old", noise("old", BODY_BYTES));
  await storeBody(store, "http://o/InRelease", noise("old root", BODY_BYTES), { class: "root" });
  const read = await storeBody(store, "http://o/read", noise("read", BODY_BYTES));
  clock.advance(10 * DAY_MS);
  await storeBody(store, "http://o/new", noise("new", BODY_BYTES));
  await store.readWhole(read.digest);
  expect(new Candidates(store.parts.db).sumBeyond({ usedBeforeMs: clock.nowMs - DAY_MS })).toEqual({
    blobs: 3,
    bytes: 3_000,
  });
  const collected = await keeper.collect({ olderThanMs: DAY_MS }, PATIENT);
  expect(collected).toEqual({ blobs: 2, bytes: 2 * BODY_BYTES, unnamedFiles: 0, isInterrupted: false });
  expect(
    store
      .list({ limit: 9 })
      .map(({ uri }) => uri)
      .sort(),
  ).toEqual(["http://o/new", "http://o/read"]);
});

test("to a number of bytes: the least recently used first, roots and members last, pinned blobs never", async ({
  store,
  keeper,
  clock,
}) => {
  const uris = ["http://o/root", "http://o/pinned", "http://o/a", "http://o/b", "http://o/c"];
  for (const uri of uris) {
    clock.advance(1_000);
    await storeBody(store, uri, noise(uri, BODY_BYTES), { class: uri.endsWith("root") ? "root" : "payload" });
  }
  await keeper.pin({ what: ["http://o/pinned"] }, PATIENT);
  expect(new Candidates(store.parts.db).sumBeyond({ maxBytes: 3_500 })).toEqual({ blobs: 2, bytes: 2_000 });
  expect(await keeper.collect({ maxBytes: 3_500 }, PATIENT)).toMatchObject({ blobs: 2, bytes: 2_000 });
  expect(store.list({ limit: 9 }).map(({ uri }) => uri)).toEqual(["http://o/c", "http://o/pinned", "http://o/root"]);
  expect(await keeper.collect({ maxBytes: 1 }, PATIENT)).toMatchObject({ blobs: 2 });
  expect(store.list({ limit: 9 }).map(({ uri }) => uri)).toEqual(["http://o/pinned"]);
});

test("without a bound the limit of the store holds, and files that nothing names go", async ({
  store,
  keeper,
  rootDir,
}) => {
  const { digest } = await storeBody(store, "http://o/a", noise("a", BODY_BYTES));
  const stray = noise("stray", BODY_BYTES);
  // In a folder of blobs that is there already.
  const strayFile = blobFile(rootDir, digest).replace(digest, `${digest.slice(0, 2)}${digestOf(stray).slice(2)}`);
  await writeFile(strayFile, stray);
  expect(await keeper.collect({}, PATIENT)).toMatchObject({ blobs: 0, unnamedFiles: 1 });
  expect(await blobNames(rootDir)).toEqual([digest]);
});

test("interrupted, it leaves a store whose every account is exact", async ({ store, keeper, rootDir }) => {
  for (let n = 0; n < 100; n++) await storeBody(store, `http://o/${n}`, noise(`${n}`, BODY_BYTES));
  const collected = await keeper.collect({ maxBytes: 1 }, impatientAfter(2));
  expect(collected).toMatchObject({ isInterrupted: true, blobs: 32 });
  const files = await blobNames(rootDir);
  expect(store.usage()).toMatchObject({ blobs: 68, entries: 68, blobBytes: 68 * BODY_BYTES });
  expect(files).toHaveLength(68);
});
