import { mkdtemp, open, readdir, readlink, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileReader } from "../../../storage/blobs/file-reader.ts";
import { noise } from "../../support/noise.ts";

const BODY = noise("file", 1_000_000);
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-file-reader-"));
  path = join(folder, "blob");
  await writeFile(path, BODY);
});

afterEach(() => rm(folder, { recursive: true }));

const faultOf = (cause?: unknown): Error => new Error("read fault", { cause });

async function openReader(first: number, last: number): Promise<FileReader> {
  return new FileReader(await open(path), { first, last }, faultOf);
}

async function isOpen(): Promise<boolean> {
  const links = await Promise.all(
    (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
  );
  return links.includes(path);
}

test.for([
  ["all of it", 0, BODY.length - 1],
  ["a part that begins and ends in the middle of a step", 300_001, 812_345],
  ["its last byte", BODY.length - 1, BODY.length - 1],
  ["nothing", 0, -1],
] as const)("gives %s, and closes the file", async ([, first, last]) => {
  const bytes = await buffer(await openReader(first, last));
  expect(bytes.equals(BODY.subarray(first, last + 1))).toBe(true);
  await expect.poll(isOpen).toBe(false);
});

test("lends the same bytes in two buffers, each until the next chunk is asked for", async () => {
  const buffers = new Set<ArrayBufferLike>();
  const chunks: Buffer[] = [];
  for await (const chunk of (await openReader(1, BODY.length - 1)).lend()) {
    buffers.add(chunk.buffer);
    chunks.push(Buffer.from(chunk));
  }
  expect(Buffer.concat(chunks).equals(BODY.subarray(1))).toBe(true);
  expect([chunks.length, buffers.size]).toEqual([4, 2]);
  await expect.poll(isOpen).toBe(false);
});

test("closes the file when its reader leaves early", async () => {
  for await (const chunk of await openReader(0, BODY.length - 1)) {
    expect(chunk.equals(BODY.subarray(0, chunk.length))).toBe(true);
    break;
  }
  await expect.poll(isOpen).toBe(false);
});

test("closes the file of a reader that was never iterated, however often it is told to", async () => {
  const reader = await openReader(0, 10);
  expect(await isOpen()).toBe(true);
  reader.close();
  reader.close();
  await expect.poll(isOpen).toBe(false);
});

test("says so when the file ends before the range does", async () => {
  const reader = await openReader(0, BODY.length - 1);
  await truncate(path, 400_000);
  await expect(buffer(reader)).rejects.toThrow("read fault");
  await expect.poll(isOpen).toBe(false);
});

test("says what the system said when it cannot read", async () => {
  const folderReader = new FileReader(await open(folder), { first: 0, last: 9 }, faultOf);
  await expect(buffer(folderReader)).rejects.toMatchObject({ cause: { code: "EISDIR" } });
});
