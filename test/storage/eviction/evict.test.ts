import { link, mkdir, readdir, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "vitest";
import { noise } from "../../support/noise.ts";
import { keyOf, readBlob, storeBody } from "../bodies.ts";
import { mountTmpfs } from "../tmpfs.ts";
import { test as base } from "../workbench.ts";

const MIB = 1024 * 1024;

/** `test` with a small disk; stores on it are closed by the test itself, before it is unmounted. */
const test = base.extend("disk", async ({ folder }, { onCleanup }) => {
  const disk = await mountTmpfs(folder, 32 * MIB);
  onCleanup(() => disk.unmount());
  return disk;
});

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

const BODY_BYTES = 1_000;

test("evicts in one go down to the low-water mark, so that the next blob has room", async ({ open }) => {
  const store = await open({ maxBytes: 100 * BODY_BYTES });
  for (let n = 0; n < 101; n++) await storeBody(store, `http://o/${n}`, noise(`${n}`, BODY_BYTES));
  await store.settled();
  expect(store.usage()).toMatchObject({ blobs: 95, entries: 95, blobBytes: 95 * BODY_BYTES });
});

test("never evicts a pinned blob, and says once that nothing may go", async ({ open, rootDir, log, store }) => {
  for (let n = 0; n < 10; n++) await storeBody(store, `http://o/${n}`, noise(`${n}`, BODY_BYTES));
  await store.close();
  const db = new Database(join(rootDir, "index.sqlite"));
  db.exec("UPDATE blob SET pins = 1");
  db.close();
  const small = await open({ maxBytes: 5 * BODY_BYTES });
  await small.settled();
  const staging = await small.stage({ expectedBytes: 3 * BODY_BYTES });
  await small.settled();
  await staging.close();
  expect(small.usage()).toMatchObject({ blobs: 10 });
  expect(log.lines).toEqual([
    {
      level: "warn",
      facts: expect.objectContaining({ maxBytes: 5 * BODY_BYTES }),
      message: expect.stringContaining("nothing may be evicted"),
    },
  ]);
});

test("makes room for a body under way before it is committed", async ({ open }) => {
  const store = await open({ maxBytes: 10 * BODY_BYTES });
  for (let n = 0; n < 10; n++) await storeBody(store, `http://o/${n}`, noise(`${n}`, BODY_BYTES));
  const staging = await store.stage({ expectedBytes: 4 * BODY_BYTES });
  await store.settled();
  expect(store.usage()).toMatchObject({ blobs: 5, blobBytes: 5 * BODY_BYTES, stagingBytes: 0 });
  await staging.close();
});

test("a store that is opened with a lower limit shrinks to it", async ({ open, store }) => {
  for (let n = 0; n < 10; n++) await storeBody(store, `http://o/${n}`, noise(`${n}`, BODY_BYTES));
  await store.close();
  const small = await open({ maxBytes: 4 * BODY_BYTES });
  await small.settled();
  expect(small.usage()).toMatchObject({ blobs: 3, blobBytes: 3 * BODY_BYTES });
});

test("leaves others their part of the disk, also when it is they who fill it", async ({ disk, open }) => {
  const store = await open({ rootDir: join(disk.folder, "root"), minFreeBytes: 4 * MIB });
  for (let n = 0; n < 24; n++) await storeBody(store, `http://o/${n}`, noise(`${n}`, MIB));
  await store.settled();
  const before = store.usage().blobs;
  expect(await freeBytes(disk.folder)).toBeGreaterThanOrEqual(4 * MIB);
  await writeFile(join(disk.folder, "another's"), Buffer.alloc(10 * MIB)).catch(() => undefined);
  await store.settled();
  expect(await freeBytes(disk.folder)).toBeGreaterThanOrEqual(4 * MIB);
  expect(store.usage().blobs).toBeLessThan(before);
  expect(store.usage().blobs).toBeGreaterThan(5);
  await store.close();
});

test("stops and says so once when evicting frees nothing of the disk, instead of emptying the store", async ({
  disk,
  open,
  log,
}) => {
  const rootDir = join(disk.folder, "root");
  const store = await open({ rootDir, minFreeBytes: 4 * MIB });
  for (let n = 0; n < 20; n++) await storeBody(store, `http://o/${n}`, noise(`${n}`, MIB));
  await store.settled();
  await mkdir(join(disk.folder, "snapshot"));
  const files = await readdir(join(rootDir, "blobs"), { recursive: true, withFileTypes: true });
  for (const { parentPath, name } of files.filter((each) => each.isFile()))
    await link(join(parentPath, name), join(disk.folder, "snapshot", name));
  await writeFile(join(disk.folder, "another's"), Buffer.alloc((await freeBytes(disk.folder)) - MIB));
  await store.settled();
  await store.settled();
  expect(store.usage().blobs).toBeGreaterThan(12);
  expect(log.lines).toMatchObject([{ level: "warn", message: expect.stringContaining("evicting frees nothing") }]);
  const late = await store.stage({ expectedBytes: MIB });
  expect(late.fault).toMatchObject({ code: "STORE_UNWRITABLE", details: { reason: "disk" } });
  await late.close();
  await store.close();
});

test("a reader that has its blob open reads on to the end when it is evicted", async ({ open }) => {
  const store = await open({ maxBytes: 3 * MIB });
  const body = noise("read on", 2 * MIB);
  const { digest } = await storeBody(store, "http://o/a", body);
  const stream = await store.openBlob(digest);
  await storeBody(store, "http://o/b", noise("another", 2 * MIB));
  await store.settled();
  await expect(readBlob(store, digest)).rejects.toMatchObject({ code: "BLOB_MISSING" });
  const read: Buffer[] = [];
  for await (const chunk of stream) read.push(chunk);
  expect(Buffer.concat(read).equals(body)).toBe(true);
});

test.for([
  ["put back by a day", -24 * 3_600_000],
  ["put forward by a year, as by a wrong battery", 365 * 24 * 3_600_000],
] as const)("what was used last stays when the machine's clock was %s in between", async ([, ms], { open, clock }) => {
  const room = { maxBytes: 3 * BODY_BYTES };
  const before = await open(room);
  for (const name of ["a", "b", "c"]) {
    await storeBody(before, `http://o/${name}`, noise(name, BODY_BYTES));
    clock.advance(1_000);
  }
  await before.close();
  clock.advance(ms);
  const first = await open(room);
  const [entry] = first.find(keyOf("http://o/a").key);
  if (entry === undefined) throw new Error("nothing is stored");
  await first.readWhole(entry.digest);
  await first.close();
  clock.advance(-ms);
  const store = await open(room);
  await storeBody(store, "http://o/d", noise("d", BODY_BYTES));
  await store.settled();
  expect(store.list({ limit: 9 }).map(({ uri }) => uri)).toEqual(["http://o/d", "http://o/a"]);
});
