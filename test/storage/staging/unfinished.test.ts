import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import type { ResumeNote, Store } from "../../../storage/store.ts";
import { noise } from "../../support/noise.ts";
import { draftFor, readBlob, readStaged, storeBody } from "../bodies.ts";
import { test } from "../workbench.ts";

const MIB = 1024 * 1024;
const DAY_MS = 24 * 3_600_000;
const BODY = noise("unfinished", 5 * MIB);
const BREAK = 3 * MIB + 17;
const NOTE: ResumeNote = {
  name: "public sha256-of-it",
  origin: "http://o",
  fields: ["ETag", '"1"', "Content-Length", String(BODY.length)],
  isDeclared: true,
};

/** Begins the body, up to {@link BREAK}. */
async function begin(store: Store, about: Partial<ResumeNote> = {}, bytes = BREAK) {
  const staging = await store.stage({ expectedBytes: BODY.length, note: { ...NOTE, ...about } });
  for (let at = 0; at < bytes; at += 100_000) await staging.append(BODY.subarray(at, Math.min(at + 100_000, bytes)));
  return staging;
}

async function breakOff(store: Store, about: Partial<ResumeNote> = {}, bytes = BREAK): Promise<void> {
  const staging = await begin(store, about, bytes);
  await staging.suspend();
  await staging.close();
}

const leftIn = (rootDir: string) => readdir(join(rootDir, "staging"));

test("a body that broke off is gone on with where it broke off, by the same larder or the next", async ({
  store,
  open,
  rootDir,
}) => {
  await breakOff(store);
  expect(store.usage()).toMatchObject({ blobs: 0, stagingBytes: 0 });
  await store.close();
  expect(await leftIn(rootDir)).toHaveLength(2);
  const again = await open();
  expect(again.takeUp("something else")).toBeUndefined();
  const taken = await again.takeUp(NOTE.name);
  expect(taken?.note).toEqual(NOTE);
  expect(again.takeUp(NOTE.name)).toBeUndefined();
  const staging = taken?.staging ?? (await again.stage({}));
  expect(staging.appendedBytes).toBe(BREAK);
  expect((await readStaged(staging)).equals(BODY.subarray(0, BREAK))).toBe(true);
  await staging.append(BODY.subarray(BREAK));
  expect(await staging.seal()).toEqual({ digest: digestOf(BODY), bytes: BODY.length });
  const entry = await staging.commit(draftFor("http://o/a"));
  await staging.close();
  expect((await readBlob(again, entry.digest)).equals(BODY)).toBe(true);
  expect(await leftIn(rootDir)).toEqual([]);
  expect(again.usage()).toMatchObject({ blobs: 1, blobBytes: BODY.length, stagingBytes: 0 });
});

test("it can break off again and again", async ({ store }) => {
  await breakOff(store, {}, 2 * MIB);
  for (let at = 2 * MIB; at < BODY.length; at += MIB) {
    const staging = (await store.takeUp(NOTE.name))?.staging ?? (await store.stage({}));
    expect(staging.appendedBytes).toBe(at);
    await staging.append(BODY.subarray(at, at + MIB));
    await staging.suspend();
    await staging.close();
  }
  const last = (await store.takeUp(NOTE.name))?.staging ?? (await store.stage({}));
  expect(await last.seal()).toEqual({ digest: digestOf(BODY), bytes: BODY.length });
  await last.close();
});

test("what nobody could go on with leaves nothing: too little of it, of unknown origin, aborted", async ({
  store,
  open,
  rootDir,
}) => {
  await breakOff(store, {}, 500_000);
  const unknown = await store.stage({});
  await unknown.append(BODY);
  await unknown.suspend();
  await unknown.close();
  const wrong = await begin(store);
  await wrong.abort();
  await wrong.suspend();
  await wrong.close();
  expect(await leftIn(rootDir)).toEqual([]);
  await breakOff(store);
  await store.close();
  await writeFile(join(rootDir, "staging", "1-1"), BODY);
  await writeFile(join(rootDir, "staging", "2-1.json"), "{}");
  const again = await open();
  expect(await leftIn(rootDir)).toHaveLength(2);
  expect(again.takeUp(NOTE.name)).toBeDefined();
});

test("a beginning lives for a day, whichever way the clock goes", async ({ store, open, rootDir, clock }) => {
  await breakOff(store, { name: "forward" });
  clock.advance(DAY_MS + 1);
  expect(store.takeUp("forward")).toBeUndefined();
  await store.settled();
  expect(await leftIn(rootDir)).toEqual([]);
  await breakOff(store, { name: "back" });
  await store.close();
  clock.advance(-DAY_MS - 1);
  await open();
  expect(await leftIn(rootDir)).toEqual([]);
});

test("after the system was started anew only a declared body is gone on with: its digest tells what a power cut did", async ({
  store,
  open,
  rootDir,
}) => {
  await breakOff(store, { name: "declared" });
  await breakOff(store, { name: "by its validator", isDeclared: false });
  await store.close();
  for (const name of await leftIn(rootDir)) {
    const file = join(rootDir, "staging", name);
    if (!name.endsWith(".json")) continue;
    const sidecar = JSON.parse(await readFile(file, "utf8"));
    expect(sidecar.bootId).toMatch(/^[0-9a-f-]{36}$/);
    await writeFile(file, JSON.stringify({ ...sidecar, bootId: "another run" }));
  }
  const again = await open();
  expect(await leftIn(rootDir)).toHaveLength(2);
  expect(again.takeUp("by its validator")).toBeUndefined();
  expect(again.takeUp("declared")).toBeDefined();
});

test("beginnings make room before any blob has to", async ({ open, rootDir }) => {
  const store = await open({ maxBytes: 8 * MIB });
  await storeBody(store, "http://o/kept", noise("kept", 2 * MIB));
  await breakOff(store);
  expect(await leftIn(rootDir)).toHaveLength(2);
  await storeBody(store, "http://o/new", noise("new", 4 * MIB));
  await store.settled();
  expect(await leftIn(rootDir)).toEqual([]);
  expect(store.usage()).toMatchObject({ blobs: 2 });
});

test("names are not written down: a URI may hold a signature", async ({ store, rootDir }) => {
  await breakOff(store, { name: "GET http://o/a?signature=secret" });
  const [, sidecar = ""] = (await leftIn(rootDir)).sort();
  expect(await readFile(join(rootDir, "staging", sidecar), "utf8")).not.toContain("secret");
});
