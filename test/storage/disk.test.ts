import { mkdir, readdir, readFile, rename, rm, stat, symlink, truncate, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect } from "vitest";
import { type Digest, digestOf } from "../../core/digest.ts";
import { noise } from "../support/noise.ts";
import { mustRun } from "../support/programs.ts";
import { keyOf, readBlob, stageBody, storeBody } from "./bodies.ts";
import { test } from "./workbench.ts";

const BIG = 300_000;

function blobFile(rootDir: string, digest: Digest): string {
  return join(rootDir, "blobs", "sha256", digest.slice(0, 2), digest);
}

async function flipBit(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await unlink(file);
  await writeFile(file, bytes);
}

/** Does something to the index of a closed store. */
function withIndex<T>(rootDir: string, use: (db: Database.Database) => T): T {
  const db = new Database(join(rootDir, "index.sqlite"));
  try {
    return use(db);
  } finally {
    db.close();
  }
}

const synced = (rootDir: string) =>
  withIndex(rootDir, (db) =>
    db
      .prepare<[], { synced: number }>("SELECT synced FROM blob")
      .all()
      .map((row) => row.synced),
  );

test("a committed blob is a read-only file named by its digest, and staging is empty", async ({ store, rootDir }) => {
  const { digest } = await storeBody(store, "http://o/a", noise("file", BIG));
  const { mode, size } = await stat(blobFile(rootDir, digest));
  expect({ mode: mode & 0o777, size }).toEqual({ mode: 0o444, size: BIG });
  expect(await readdir(join(rootDir, "staging"))).toEqual([]);
});

test("bodies that were aborted, closed or stored before leave no file", async ({ store, rootDir }) => {
  const body = noise("nothing left", 3_000_000);
  await storeBody(store, "http://o/a", body);
  await storeBody(store, "http://o/b", body);
  const aborted = await stageBody(store, noise("aborted", 3_000_000));
  await aborted.abort();
  await (await stageBody(store, noise("closed", 3_000_000))).close();
  expect(await readdir(join(rootDir, "staging"))).toEqual([]);
  await aborted.close();
});

test("closing the store ends bodies under way and leaves none of their files", async ({ store, rootDir }) => {
  const staging = await stageBody(store, noise("under way", 3_000_000));
  expect(await readdir(join(rootDir, "staging"))).toHaveLength(1);
  await store.close();
  expect(await readdir(join(rootDir, "staging"))).toEqual([]);
  await staging.close();
});

test("a committed blob is made durable without anybody asking", async ({ store, rootDir }) => {
  await storeBody(store, "http://o/a", noise("synced", BIG));
  expect(synced(rootDir)).toEqual([0]);
  await expect.poll(() => synced(rootDir)).toEqual([1]);
});

test("a blob that no entry names any more goes without anybody asking", async ({ store, rootDir }) => {
  const entry = await storeBody(store, "http://o/a", noise("unnamed", BIG));
  store.remove(entry);
  await expect.poll(() => allBlobs(rootDir)).toEqual([]);
  await expect.poll(() => store.usage()).toMatchObject({ blobs: 0, blobBytes: 0 });
});

test("removing staging or a folder of blobs while larder runs does not stop it from storing", async ({
  store,
  rootDir,
}) => {
  const body = noise("folders gone", BIG);
  await storeBody(store, "http://o/a", body);
  await rm(join(rootDir, "staging"), { recursive: true });
  await rm(join(rootDir, "blobs"), { recursive: true });
  const { digest } = await storeBody(store, "http://o/b", body);
  expect((await readBlob(store, digest)).equals(body)).toBe(true);
});

test("a blob that is gone from the disk is missed once, with its entries", async ({ store, rootDir, log }) => {
  const { digest } = await storeBody(store, "http://o/a", noise("gone", BIG));
  await storeBody(store, "http://o/b", noise("gone", BIG));
  await unlink(blobFile(rootDir, digest));
  await expect(store.openBlob(digest)).rejects.toMatchObject({ code: "BLOB_MISSING" });
  expect(store.find("GET http://o/a")).toEqual([]);
  expect(store.find("GET http://o/b")).toEqual([]);
  expect(store.usage()).toMatchObject({ blobs: 0, entries: 0, blobBytes: 0 });
  await expect(store.openBlob(digest)).rejects.toMatchObject({ code: "BLOB_MISSING" });
  expect(log.lines).toMatchObject([{ facts: { code: "BLOB_MISSING", digest } }]);
});

test("a blob whose length is wrong is corrupt, and goes with its entries", async ({ store, rootDir }) => {
  const { digest } = await storeBody(store, "http://o/a", noise("cut", BIG));
  await truncate(blobFile(rootDir, digest), BIG - 1);
  await expect(store.openBlob(digest, { first: 0, last: 9 })).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  expect(store.find("GET http://o/a")).toEqual([]);
  await expect(stat(blobFile(rootDir, digest))).rejects.toMatchObject({ code: "ENOENT" });
});

test("a small body with a flipped bit is never served", async ({ store, rootDir, open }) => {
  const { digest } = await storeBody(store, "http://o/a", noise("flipped", 1000));
  await store.close();
  await flipBit(blobFile(rootDir, digest));
  const again = await open();
  await expect(Promise.resolve(again.readWhole(digest))).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  expect(again.find("GET http://o/a")).toEqual([]);
});

test("a blob that a power cut may have damaged is hashed before its first use", async ({ store, rootDir, open }) => {
  const { digest } = await storeBody(store, "http://o/a", noise("power cut", BIG));
  await store.close();
  withIndex(rootDir, (db) => db.exec("UPDATE blob SET synced = 0"));
  await flipBit(blobFile(rootDir, digest));
  const again = await open();
  await expect(again.openBlob(digest, { first: 0, last: 9 })).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  expect(again.find("GET http://o/a")).toEqual([]);
  expect(again.usage()).toMatchObject({ blobs: 0, blobBytes: 0 });
});

test("a blob that a power cut left whole is served, and synced then", async ({ store, rootDir, open }) => {
  const body = noise("whole", BIG);
  const { digest } = await storeBody(store, "http://o/a", body);
  await store.close();
  withIndex(rootDir, (db) => db.exec("UPDATE blob SET synced = 0"));
  const again = await open();
  expect((await readBlob(again, digest)).equals(body)).toBe(true);
  await again.close();
  expect(synced(rootDir)).toEqual([1]);
});

test("storing the same bytes again mends a blob that is gone, cut or not to be trusted", async ({
  store,
  rootDir,
  open,
}) => {
  const body = noise("mended", BIG);
  const { digest } = await storeBody(store, "http://o/a", body);
  const harm = [() => unlink(blobFile(rootDir, digest)), () => truncate(blobFile(rootDir, digest), 10)];
  for (const damage of harm) {
    await damage();
    await storeBody(store, "http://o/a", body);
    expect((await readBlob(store, digest)).equals(body)).toBe(true);
  }
  await store.close();
  withIndex(rootDir, (db) => db.exec("UPDATE blob SET synced = 0"));
  await flipBit(blobFile(rootDir, digest));
  const again = await open();
  await storeBody(again, "http://o/b", body);
  expect((await readBlob(again, digest)).equals(body)).toBe(true);
  expect(again.usage()).toMatchObject({ blobs: 1, entries: 2, blobBytes: BIG });
});

test("a blob that the system cannot open is not condemned for it", async ({ store, rootDir }) => {
  const body = noise("link", BIG);
  const { digest } = await storeBody(store, "http://o/a", body);
  const shard = dirname(blobFile(rootDir, digest));
  await rename(shard, `${shard}-aside`);
  await writeFile(shard, "no folder");
  await expect(store.openBlob(digest)).rejects.toMatchObject({
    code: "STORE_UNREADABLE",
    details: { reason: "ENOTDIR" },
  });
  await unlink(shard);
  await rename(`${shard}-aside`, shard);
  expect((await readBlob(store, digest)).equals(body)).toBe(true);
  expect(store.find("GET http://o/a")).toHaveLength(1);
});

test("after a crash, blobs that no row names are swept away, and no others", async ({ store, rootDir, open }) => {
  const kept = await storeBody(store, "http://o/a", noise("kept", BIG));
  await store.close();
  const unnamed = digestOf("published, and then the power went");
  await storeFile(rootDir, unnamed, "published, and then the power went");
  await writeFile(join(rootDir, "writer.json"), JSON.stringify({ pid: 1, sinceMs: 0 }));
  const again = await open();
  await again.settled();
  expect(await allBlobs(rootDir)).toEqual([kept.digest]);
  expect((await readBlob(again, kept.digest)).length).toBe(BIG);
});

test("after a crash, blobs stay where the index itself is gone: they are all that is left", async ({
  store,
  rootDir,
  open,
}) => {
  const { digest } = await storeBody(store, "http://o/a", noise("left", BIG));
  await store.close();
  await rm(join(rootDir, "index.sqlite"));
  await writeFile(join(rootDir, "writer.json"), JSON.stringify({ pid: 1, sinceMs: 0 }));
  const again = await open();
  await again.settled();
  expect(await allBlobs(rootDir)).toEqual([digest]);
});

async function storeFile(rootDir: string, digest: Digest, content: string): Promise<void> {
  await mkdir(dirname(blobFile(rootDir, digest)), { recursive: true });
  await writeFile(blobFile(rootDir, digest), content);
}

async function allBlobs(rootDir: string): Promise<string[]> {
  const names = await readdir(join(rootDir, "blobs", "sha256"), { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

describe("something else in the place of a blob is a miss, is told, and gives way to the blob:", () => {
  const others: Readonly<Record<string, (path: string, other: string) => Promise<unknown>>> = {
    "a folder": (path) => mkdir(path).then(() => writeFile(join(path, "in it"), "x")),
    "a link to another file": (path, other) => symlink(other, path),
    "a link to itself": (path) => symlink(path, path),
    "a pipe that nobody writes": (path) => mustRun("mkfifo", [path], { cwd: dirname(path) }),
  };
  for (const [what, put] of Object.entries(others))
    for (const bytes of [900, BIG])
      test(`${what}, ${bytes} bytes`, async ({ open, rootDir, log }) => {
        const [body, otherBody] = [noise("body", bytes), noise("other", bytes)];
        const before = await open();
        const { digest } = await storeBody(before, "http://o/", body);
        const other = await storeBody(before, "http://o/other", otherBody);
        await before.close();
        const path = blobFile(rootDir, digest);
        await unlink(path);
        await put(path, blobFile(rootDir, other.digest));
        const store = await open();
        await expect(readBlob(store, digest)).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
        expect(store.find(keyOf("http://o/").key)).toEqual([]);
        await storeBody(store, "http://o/", body);
        expect((await readBlob(store, digest)).equals(body)).toBe(true);
        expect((await readBlob(store, other.digest)).equals(otherBody)).toBe(true);
        expect(log.lines).toMatchObject([{ level: "error", facts: { code: "BLOB_CORRUPT", digest } }]);
      });
});
