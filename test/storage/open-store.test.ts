import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "vitest";
import { openStore, openStoreForReading } from "../../storage/open-store.ts";
import { INDEX_MIGRATIONS } from "../../storage/schema.ts";
import { storeBody } from "./bodies.ts";
import { test } from "./workbench.ts";

/** Makes the index of a store by hand, in a root that is not there yet. */
async function writeIndex(rootDir: string, content: string | ((db: Database.Database) => void)): Promise<string> {
  await mkdir(rootDir);
  const file = join(rootDir, "index.sqlite");
  if (typeof content === "string") await writeFile(file, content);
  else {
    const db = new Database(file);
    content(db);
    db.close();
  }
  return file;
}

test("a root that is not there is made for its user alone", async ({ rootDir, store }) => {
  expect(store.usage()).toMatchObject({ blobs: 0, entries: 0, blobBytes: 0, stagingBytes: 0 });
  expect((await stat(rootDir)).mode & 0o777).toBe(0o700);
});

test("the index has the tables of the design and says which version it is", async ({ store, rootDir }) => {
  await store.close();
  const db = new Database(join(rootDir, "index.sqlite"), { readonly: true });
  const tables = db
    .prepare<[], { name: string; strict: number }>(
      "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'",
    )
    .all();
  const version = db.pragma("user_version", { simple: true });
  db.close();
  expect(tables.map(({ name }) => name)).toEqual(expect.arrayContaining(["blob", "entry", "access", "alias", "edge"]));
  expect(tables.every(({ strict }) => strict === 1)).toBe(true);
  expect(version).toBe(INDEX_MIGRATIONS.length);
});

test("an index of a newer larder is refused and left as it was", async ({ rootDir, open }) => {
  const file = await writeIndex(rootDir, (db) => {
    db.exec("CREATE TABLE from_the_future (x)");
    db.pragma("user_version = 4711");
  });
  const before = await readFile(file);
  const refused = open();
  await expect(refused).rejects.toMatchObject({ code: "STORE_NEWER", details: { version: 4711 } });
  expect(await readFile(file)).toEqual(before);
  expect(() => openStoreForReading({ rootDir, maxBytes: 1 })).toThrow(expect.objectContaining({ code: "STORE_NEWER" }));
  await expect(open()).rejects.toMatchObject({ code: "STORE_NEWER" });
});

test("a root below a file is refused with the reason", async ({ folder, clock, log }) => {
  await writeFile(join(folder, "file"), "");
  const rootDir = join(folder, "file", "root");
  const refused = openStore({ rootDir, maxBytes: 1, clock: clock.read, log });
  await expect(refused).rejects.toMatchObject({ code: "STORE_UNWRITABLE", details: { reason: "ENOTDIR" } });
});

test("what lay in staging is removed at the start", async ({ store, rootDir, open }) => {
  await store.close();
  await writeFile(join(rootDir, "staging", "1-1"), "half a body");
  await open();
  expect(await readdir(join(rootDir, "staging"))).toEqual([]);
});

test("a reader sees what the writer beside it has committed, from one moment to the next", async ({
  store,
  rootDir,
  onTestFinished,
}) => {
  const reader = openStoreForReading({ rootDir, maxBytes: 1000 });
  onTestFinished(() => reader.close());
  expect(reader.find("GET http://o/a")).toEqual([]);
  const entry = await storeBody(store, "http://o/a", Buffer.from("abc"));
  expect(reader.find("GET http://o/a")).toEqual([entry]);
  expect(reader.usage()).toEqual({ blobs: 1, entries: 1, blobBytes: 3, stagingBytes: 0, maxBytes: 1000 });
  expect(reader.list({ limit: 5 })).toMatchObject([{ uri: "http://o/a", digest: entry.digest }]);
  store.remove(entry);
  expect(reader.find("GET http://o/a")).toEqual([]);
});

test("a reader opens a store that nobody writes, and changes nothing in it", async ({ store, rootDir }) => {
  await storeBody(store, "http://o/a", Buffer.from("abc"));
  await store.close();
  const before = await readFile(join(rootDir, "index.sqlite"));
  const reader = openStoreForReading({ rootDir, maxBytes: 1000 });
  expect(reader.find("GET http://o/a")).toHaveLength(1);
  reader.close();
  expect(await readFile(join(rootDir, "index.sqlite"))).toEqual(before);
});

test("a reader of a store that is not there is told how to make one", async ({ rootDir }) => {
  expect(() => openStoreForReading({ rootDir, maxBytes: 1 })).toThrow(/`larder serve` makes one/);
});

test("a reader of an index that was never finished is told who finishes it", async ({ rootDir }) => {
  await writeIndex(rootDir, (db) => void db.exec("CREATE TABLE half (x)"));
  expect(() => openStoreForReading({ rootDir, maxBytes: 1 })).toThrow(/run `larder serve` once/);
});

test("a root that is there keeps the mode its user gave it", async ({ rootDir, open }) => {
  await mkdir(dirname(rootDir), { recursive: true });
  await mkdir(rootDir);
  await chmod(rootDir, 0o750);
  await open();
  expect((await stat(rootDir)).mode & 0o777).toBe(0o750);
});
