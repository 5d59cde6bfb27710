import { expect } from "vitest";
import { noise } from "../../support/noise.ts";
import { readBlob, storeBody } from "../bodies.ts";
import { blobNames, impatientAfter, PATIENT, test } from "./keeping.ts";

test("what matches is forgotten, whatever its class, realm and variant; blobs that others name stay", async ({
  store,
  keeper,
  rootDir,
}) => {
  const shared = noise("shared", 1_000);
  await storeBody(store, "http://o/dists/InRelease", noise("root", 500), { class: "root" });
  await storeBody(store, "http://o/pool/a.deb", shared, { class: "payload" });
  await storeBody(store, "http://o/pool/a.deb", noise("mine", 600), { realm: "somebody's", variant: "x" });
  const kept = await storeBody(store, "http://mirror/pool/a.deb", shared, { class: "payload" });
  const purged = await keeper.purge({ pattern: "http://o/**" }, PATIENT);
  expect(purged).toEqual({ entries: 3, blobs: 2, bytes: 1_100, pinnedBlobs: 0, isInterrupted: false });
  expect(store.list({ limit: 9 }).map(({ uri }) => uri)).toEqual(["http://mirror/pool/a.deb"]);
  expect(await blobNames(rootDir)).toEqual([kept.digest]);
  expect(store.usage()).toMatchObject({ blobs: 1, entries: 1, blobBytes: 1_000 });
  expect(store.find("GET http://o/pool/a.deb")).toEqual([]);
});

test("a pinned blob stays without its entry, and a body that is being read is read to its end", async ({
  store,
  keeper,
}) => {
  const body = noise("long", 3_000_000);
  const { digest } = await storeBody(store, "http://o/pinned", noise("pinned", 100));
  const open = await storeBody(store, "http://o/open", body);
  await keeper.pin({ what: ["http://o/pinned"] }, PATIENT);
  const stream = await store.openBlob(open.digest);
  expect(await keeper.purge({ pattern: "**" }, PATIENT)).toMatchObject({ entries: 2, blobs: 1, pinnedBlobs: 1 });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(body)).toBe(true);
  expect((await readBlob(store, digest)).equals(noise("pinned", 100))).toBe(true);
  await store.settled();
  expect(store.usage()).toMatchObject({ blobs: 1, entries: 0 });
});

test("interrupted, it leaves a store whose every account is exact", async ({ store, keeper, rootDir }) => {
  for (let n = 0; n < 700; n++) await storeBody(store, `http://o/${n}`, Buffer.from(`body ${n}`));
  const purged = await keeper.purge({ pattern: "**" }, impatientAfter(1));
  expect(purged).toMatchObject({ entries: 500, blobs: 500, isInterrupted: true });
  expect(store.usage()).toMatchObject({ blobs: 200, entries: 200 });
  expect(await blobNames(rootDir)).toHaveLength(200);
});
