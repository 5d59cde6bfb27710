import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "vitest";
import { noise } from "../support/noise.ts";
import { storeBody } from "./bodies.ts";
import { test } from "./workbench.ts";

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
