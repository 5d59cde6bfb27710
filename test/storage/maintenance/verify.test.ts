import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { LarderError } from "../../../core/errors.ts";
import { layoutOf } from "../../../storage/layout.ts";
import type { StoreKeeper } from "../../../storage/maintenance/keeper.ts";
import type { Watch } from "../../../storage/maintenance/keeping.ts";
import { type StepReport, verifyStore } from "../../../storage/maintenance/verify.ts";
import { openStoreForReading } from "../../../storage/open-store.ts";
import { noise } from "../../support/noise.ts";
import { readBlob, storeBody } from "../bodies.ts";
import { test as base, blobFile, blobNames, flipBit, impatientAfter, makeUnreadable, PATIENT } from "./keeping.ts";

/** `test` with a verification of the store, as a command makes it: by a connection that only reads. */
const test = base.extend("verify", async ({ rootDir, keeper }, { onCleanup }) => {
  const reader = openStoreForReading({ rootDir, maxBytes: 0 });
  onCleanup(() => reader.close());
  return async (repair: boolean, watch: Watch = PATIENT, keeping: Pick<StoreKeeper, "judge"> = keeper) => {
    const reports: StepReport[] = [];
    for await (const report of verifyStore({ ...reader, keeping, repair }, watch)) reports.push(report);
    return reports;
  };
});

function findingsOf(reports: readonly StepReport[]) {
  return reports.flatMap(({ findings }) => findings).map(({ step, name, verdict }) => ({ step, name, verdict }));
}

test("a sound store is found to be sound, step by step", async ({ store, verify }) => {
  for (let n = 0; n < 5; n++) await storeBody(store, `http://o/${n}`, noise(`${n}`, 1_000));
  expect(await verify(false)).toEqual([
    { step: "rows", checked: 5, bytes: 0, findings: [] },
    { step: "blobs", checked: 5, bytes: 5_000, findings: [] },
    { step: "orphans", checked: 5, bytes: 0, findings: [] },
    { step: "staging", checked: 0, bytes: 0, findings: [] },
  ]);
});

test("a flipped bit is found; without repair the blob stays and is never served, with repair it goes", async ({
  store,
  verify,
  rootDir,
}) => {
  const { digest } = await storeBody(store, "http://o/large", noise("large", 300_000));
  await flipBit(blobFile(rootDir, digest));
  expect(findingsOf(await verify(false))).toEqual([{ step: "blobs", name: digest, verdict: "condemned" }]);
  expect(await blobNames(rootDir)).toEqual([digest]);
  await expect(readBlob(store, digest)).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  expect(store.find("GET http://o/large")).toEqual([]);

  const again = await storeBody(store, "http://o/large", noise("large", 300_000));
  await flipBit(blobFile(rootDir, again.digest));
  expect(findingsOf(await verify(true))).toEqual([{ step: "blobs", name: digest, verdict: "repaired" }]);
  expect(await blobNames(rootDir)).toEqual([]);
  expect(store.usage()).toMatchObject({ blobs: 0, entries: 0, blobBytes: 0 });
});

test("a blob that was condemned without repair is not served after the next start either", async ({
  store,
  verify,
  rootDir,
  open,
}) => {
  const { digest } = await storeBody(store, "http://o/large", noise("large", 300_000));
  await store.settled();
  await flipBit(blobFile(rootDir, digest));
  await verify(false);
  await store.close();
  const next = await open();
  await expect(readBlob(next, digest)).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
});

test("a missing and a cut blob are found, and a blob that was evicted meanwhile is not", async ({
  store,
  keeper,
  verify,
  rootDir,
}) => {
  const missing = await storeBody(store, "http://o/missing", noise("missing", 900));
  const cut = await storeBody(store, "http://o/cut", noise("cut", 900));
  const evicted = await storeBody(store, "http://o/evicted", noise("evicted", 900));
  await rm(blobFile(rootDir, missing.digest));
  await chmod(blobFile(rootDir, cut.digest), 0o644);
  await writeFile(blobFile(rootDir, cut.digest), "cut");
  await rm(blobFile(rootDir, evicted.digest));
  const judge: StoreKeeper["judge"] = async (order, watch) => {
    await keeper.purge({ pattern: "http://o/evicted" }, PATIENT);
    return keeper.judge(order, watch);
  };
  const found = findingsOf(await verify(true, PATIENT, { judge }));
  expect(new Set(found.map(({ name }) => name))).toEqual(new Set([missing.digest, cut.digest]));
  expect(store.usage()).toMatchObject({ blobs: 0, entries: 0 });
});

test("what only the first look took for damaged is not condemned", async ({ store, keeper, verify, rootDir }) => {
  const body = noise("body", 900);
  const { digest } = await storeBody(store, "http://o/a", body);
  await flipBit(blobFile(rootDir, digest));
  const judge: StoreKeeper["judge"] = async (order, watch) => {
    await writeFile(blobFile(rootDir, digest), body);
    return keeper.judge(order, watch);
  };
  expect(findingsOf(await verify(true, PATIENT, { judge }))).toEqual([]);
  expect((await readBlob(store, digest)).equals(body)).toBe(true);
});

test("what the system cannot tell is said and condemns nothing", async ({ store, verify, rootDir }) => {
  const { digest } = await storeBody(store, "http://o/a", noise("a", 900));
  await makeUnreadable(rootDir, digest);
  const found = findingsOf(await verify(true)).filter(({ step }) => step === "blobs");
  expect(found).toEqual([{ step: "blobs", name: digest, verdict: "unknown" }]);
  expect(store.usage()).toMatchObject({ blobs: 1, entries: 1 });
});

test("files that nothing names, strange files and left stagings are found, and go when they are to be repaired", async ({
  store,
  verify,
  rootDir,
}) => {
  const { digest } = await storeBody(store, "http://o/a", noise("a", 900));
  const layout = layoutOf(rootDir);
  const unnamed = digestOf("unnamed");
  await mkdir(dirname(layout.blobFile(unnamed)), { recursive: true });
  await writeFile(layout.blobFile(unnamed), "unnamed");
  await writeFile(join(dirname(layout.blobFile(digest)), "notes.txt"), "mine");
  await writeFile(layout.stagingFile("1-1"), "left");
  const underWay = await store.stage({});
  await underWay.append(noise("under way", 2_000_000));
  const expected = (verdict: string) =>
    expect.arrayContaining([
      { step: "orphans", name: `${unnamed.slice(0, 2)}/${unnamed}`, verdict },
      { step: "orphans", name: `${digest.slice(0, 2)}/notes.txt`, verdict },
      { step: "staging", name: "1-1", verdict },
    ]);
  const found = findingsOf(await verify(false));
  expect(found).toEqual(expected("condemned"));
  expect(found).toHaveLength(3);
  expect(findingsOf(await verify(true))).toEqual(expected("repaired"));
  expect(findingsOf(await verify(false))).toEqual([]);
  expect(await blobNames(rootDir)).toEqual([digest]);
  await underWay.close();
});

test("a row that nobody can read is found and goes", async ({ store, verify, rootDir }) => {
  await storeBody(store, "http://o/a", noise("a", 900));
  await storeBody(store, "http://o/b", noise("b", 900));
  const db = new Database(join(rootDir, "index.sqlite"));
  db.exec("UPDATE entry SET fields = '{' WHERE uri = 'http://o/a'");
  db.close();
  const finding = { step: "rows", name: "http://o/a" };
  expect(findingsOf(await verify(false))).toEqual([{ ...finding, verdict: "condemned" }]);
  expect(findingsOf(await verify(true))).toEqual([{ ...finding, verdict: "repaired" }]);
  expect(store.usage()).toMatchObject({ blobs: 1, entries: 1 });
});

test("nothing is judged outside of the store", async ({ keeper }) => {
  const outside = { of: "staging", file: "../index.sqlite" } as const;
  await expect(keeper.judge({ suspicions: [outside], repair: true }, PATIENT)).rejects.toThrow(LarderError);
});

test("interrupted, it has reported what it saw until then", async ({ store, verify }) => {
  for (let n = 0; n < 50; n++) await storeBody(store, `http://o/${n}`, noise(`${n}`, 100));
  const reports = await verify(true, impatientAfter(60));
  expect(reports.map(({ step, checked }) => [step, checked])).toEqual([
    ["rows", 50],
    ["blobs", 10],
  ]);
  expect(store.usage()).toMatchObject({ blobs: 50, entries: 50 });
});
