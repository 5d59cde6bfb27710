import { readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { PUBLIC_REALM } from "../../core/entry.ts";
import { BlobFinder } from "../../storage/blobs/blob-finder.ts";
import { layoutOf } from "../../storage/layout.ts";
import type { LocalStore } from "../../storage/local-store.ts";
import { INDEX_MIGRATIONS } from "../../storage/schema.ts";
import { readBlob, storeBody } from "./bodies.ts";
import { Child } from "./child.ts";
import { test as base } from "./workbench.ts";

const PUBLIC = Buffer.from("a package that everybody may have");
const PRIVATE = Buffer.from("a package of somebody");

/** `test` with a store that was closed, and holds one blob of everybody and one of somebody. */
const test = base.extend("indexFile", async ({ store, rootDir }) => {
  await storeBody(store, "https://o/public.deb", PUBLIC);
  await storeBody(store, "https://o/private.deb", PRIVATE, { realm: "somebody" });
  await store.close();
  return layoutOf(rootDir).indexFile;
});

function mayHave(store: LocalStore, body: Buffer, realm: string): boolean {
  const declaration = { algorithm: "sha256", digest: digestOf(body), bytes: body.length } as const;
  return new BlobFinder(store.parts.db).find(declaration, realm) !== undefined;
}

const LOSSES: Readonly<Record<string, (indexFile: string) => Promise<void>>> = {
  "was deleted": (indexFile) => rm(indexFile),
  "was cut to nothing": (indexFile) => truncate(indexFile),
  "was cut short": async (indexFile) => truncate(indexFile, Math.floor((await stat(indexFile)).size / 8192) * 4096),
  "is no database any more": (indexFile) => writeFile(indexFile, "this was an index once ".repeat(1000)),
  "has lost its tables": async (indexFile) => {
    await rm(indexFile);
    const db = new Database(indexFile);
    db.exec(`PRAGMA user_version = ${INDEX_MIGRATIONS.length}`);
    db.close();
  },
};

for (const [how, lose] of Object.entries(LOSSES))
  test(`an index that ${how} costs no blob that everybody may have, and gives nobody what was somebody's`, async ({
    indexFile,
    open,
    log,
  }) => {
    await lose(indexFile);
    const store = await open();
    await store.settled();
    expect(log.lines).toMatchObject([{ level: "warn", message: expect.stringMatching(/index of the store was lost/) }]);
    expect(mayHave(store, PUBLIC, PUBLIC_REALM)).toBe(true);
    expect(await readBlob(store, digestOf(PUBLIC))).toEqual(PUBLIC);
    for (const realm of [PUBLIC_REALM, "somebody"]) expect(mayHave(store, PRIVATE, realm)).toBe(false);
    expect(store.usage()).toMatchObject({ blobs: 1, blobBytes: PUBLIC.length, entries: 0 });
  });

test("a damaged index is set aside as it was, and the next start has nothing to say", async ({
  indexFile,
  rootDir,
  open,
  log,
  clock,
}) => {
  await writeFile(indexFile, "this was an index once ".repeat(1000));
  const mended = await open();
  await mended.settled();
  await mended.close();
  expect(await readFile(join(rootDir, `index.damaged-${clock.nowMs}.sqlite`), "utf8")).toMatch(/^this was/);
  expect(log.lines).toHaveLength(1);
  expect((await open()).usage()).toMatchObject({ blobs: 1 });
  expect(log.lines).toHaveLength(1);
});

test("a blob that was damaged while there was no index is never given to anybody", async ({
  indexFile,
  rootDir,
  open,
}) => {
  await rm(indexFile);
  const file = layoutOf(rootDir).blobFile(digestOf(PUBLIC));
  await rm(file);
  await writeFile(file, Buffer.from(PUBLIC).fill("x", 3, 4), { mode: 0o444 });
  const store = await open();
  await store.settled();
  await expect(store.openBlob(digestOf(PUBLIC))).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  expect(store.usage()).toMatchObject({ blobs: 0, blobBytes: 0 });
});

test("what somebody stored and everybody may have by now is everybody's, also without the index", async ({
  indexFile,
  open,
}) => {
  const before = await open();
  await storeBody(before, "https://o/published.deb", PRIVATE);
  await before.close();
  await rm(indexFile);
  const store = await open();
  await store.settled();
  expect(mayHave(store, PRIVATE, PUBLIC_REALM)).toBe(true);
});

test("blobs without an index are evicted down to the limit, too", async ({ indexFile, open }) => {
  await rm(indexFile);
  const store = await open({ maxBytes: 10 });
  await store.settled();
  expect(store.usage()).toMatchObject({ blobs: 0, blobBytes: 0 });
});

test("a start that was killed while it took blobs in is gone on with, and loses none", async ({
  indexFile,
  rootDir,
  open,
}) => {
  const layout = layoutOf(rootDir);
  await rm(indexFile);
  const child = new Child(import.meta.resolve("./hold-store.ts"), [rootDir]);
  await child.nextLine();
  await child.kill();
  // As if it had been killed before the first of them.
  const db = new Database(indexFile);
  db.exec("DELETE FROM blob");
  db.close();
  await writeFile(layout.adoptionFile, "");
  const store = await open();
  await store.settled();
  expect(mayHave(store, PUBLIC, PUBLIC_REALM)).toBe(true);
  expect(await readdir(rootDir)).not.toContain("adopting");
});
