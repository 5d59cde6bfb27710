import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { noise } from "../support/noise.ts";
import { draftFor, follow, PIECE, readBlob, storeBody } from "./bodies.ts";
import { mountTmpfs } from "./tmpfs.ts";
import { test as base } from "./workbench.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 8 * MIB;

/** `test` with a small disk; stores on it are closed by the test itself, before it is unmounted. */
const test = base
  .extend("disk", async ({ folder }, { onCleanup }) => {
    const disk = await mountTmpfs(folder, DISK_BYTES);
    onCleanup(() => disk.unmount());
    return disk;
  })
  .extend("onDisk", async ({ disk, open }, { onCleanup }) => {
    const store = await open({ rootDir: join(disk.folder, "root") });
    onCleanup(() => store.close());
    return store;
  });

test("a full disk costs the store a body, and its readers nothing", async ({ onDisk, log, disk }) => {
  const body = noise("too much", 2 * DISK_BYTES);
  const staging = await onDisk.stage({});
  expect((await follow(staging, body)).equals(body)).toBe(true);
  expect(await staging.seal()).toEqual({ digest: digestOf(body), bytes: body.length });
  expect(staging.fault).toMatchObject({ code: "STORE_UNWRITABLE", details: { reason: "ENOSPC" } });
  await expect(staging.commit(draftFor("http://o/a"))).rejects.toThrow(/the disk is full.*--max-bytes/);
  await staging.close();
  expect(await readdir(join(disk.folder, "root", "staging"))).toEqual([]);
  expect(log.lines).toMatchObject([{ level: "error", facts: { fault: "staging", code: "STORE_UNWRITABLE" } }]);
  const small = noise("fits", MIB);
  const entry = await storeBody(onDisk, "http://o/b", small);
  expect((await readBlob(onDisk, entry.digest)).equals(small)).toBe(true);
});

test("what was read before the disk was full can be read again, what was forgotten cannot", async ({ onDisk }) => {
  const body = noise("again", 2 * DISK_BYTES);
  const staging = await onDisk.stage({});
  await follow(staging, body);
  await staging.seal();
  expect((await staging.read(1_000, 5_000)).equals(body.subarray(1_000, 6_000))).toBe(true);
  const forgotten = body.length - 2 * PIECE;
  await expect(staging.read(forgotten - 1, 10)).rejects.toMatchObject({ code: "STORE_UNREADABLE" });
  expect((await staging.read(body.length - 10, 10)).equals(body.subarray(-10))).toBe(true);
  await staging.close();
});

test("an index that the disk has no room for loses entries, never an answer, and works again when there is room", async ({
  onDisk,
  disk,
  log,
}) => {
  const entry = await storeBody(onDisk, "http://o/a", Buffer.from("a"));
  await onDisk.settled();
  const ballast = join(disk.folder, "ballast");
  await writeFile(ballast, Buffer.alloc(DISK_BYTES)).catch(() => undefined);
  const fields = ["X-Long", "x".repeat(100_000)];
  const freshening = { fields, requestMs: 5_000, responseMs: 6_000 };
  for (let n = 0; n < 50; n++) expect(onDisk.freshen(entry, freshening)).toMatchObject(freshening);
  onDisk.remove(entry);
  expect(onDisk.find(entry.key)).toEqual([]);
  const staging = await onDisk.stage({});
  await staging.append(Buffer.from("b"));
  await staging.seal();
  await expect(staging.commit(draftFor("http://o/b", { fields }))).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
  await staging.close();
  expect(onDisk.find("GET http://o/b")).toEqual([]);
  expect(log.lines.filter(({ facts }) => facts["fault"] === "index")).toHaveLength(1);
  await rm(ballast);
  await storeBody(onDisk, "http://o/b", Buffer.from("b"));
  const again = await storeBody(onDisk, "http://o/a", Buffer.from("a"));
  expect(onDisk.find(entry.key)).toEqual([again]);
  expect(onDisk.usage()).toMatchObject({ blobs: 2, entries: 2, blobBytes: 2 });
});

test("a store on a disk that may not be written is refused with the reason", async ({ onDisk, disk, open }) => {
  await storeBody(onDisk, "http://o/a", Buffer.from("a"));
  await onDisk.close();
  await disk.makeReadOnly();
  const refused = open({ rootDir: join(disk.folder, "root") });
  await expect(refused).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
  await expect(refused).rejects.toThrow(/may not be written/);
  await expect(open({ rootDir: join(disk.folder, "another") })).rejects.toMatchObject({
    code: "STORE_UNWRITABLE",
    details: { reason: "EROFS" },
  });
  await disk.makeWritable();
});
