import { createHash } from "node:crypto";
import { describe, expect } from "vitest";
import type { Declaration } from "../../../core/declaration.ts";
import type { Entry } from "../../../core/entry.ts";
import { Candidates } from "../../../storage/eviction/candidates.ts";
import type { LocalStore } from "../../../storage/local-store.ts";
import { noise } from "../../support/noise.ts";
import { readBlob, storeBody } from "../bodies.ts";
import { test as base } from "../declarations/declaring.ts";
import { keeperOf, PATIENT } from "../maintenance/keeping.ts";

const NAR_BYTES = 1_000;
const NARINFO_BYTES = 100;
const urisOf = (store: LocalStore): readonly string[] =>
  store
    .list({ limit: 99 })
    .map(({ uri }) => uri)
    .sort();

const test = base
  .extend("keeper", async ({ workbench, store }, { onCleanup }) => {
    const { keeper, close } = await keeperOf(workbench, store);
    onCleanup(close);
    return keeper;
  })
  /** Stores a narinfo of that cache and the nar that it names; equal names are one nar. */
  .extend("storePair", ({ declaring, clock }) => async (store: LocalStore, cache: string, name: string) => {
    clock.advance(1_000);
    const narinfo = await storeBody(store, `${cache}/${name}.narinfo`, noise(`${cache} ${name}`, NARINFO_BYTES), {
      class: "root",
    });
    const nar = await storeBody(store, `${cache}/nar/${name}.nar`, noise(name, NAR_BYTES), { class: "payload" });
    declaring.index.noteCompanions(narinfo.digest, [declared(nar)]);
    return { narinfo, nar };
  });

function declared({ digest, bytes }: Entry): Declaration {
  return { algorithm: "sha256", digest, bytes };
}

describe("a narinfo and the nar that it names", () => {
  test.extend("store", ({ open }) => open({ maxBytes: 5 * (NAR_BYTES + NARINFO_BYTES) }))(
    "are evicted together, the least recently used nar first, and other roots after all of them",
    async ({ store, storePair }) => {
      await storeBody(store, "http://o/InRelease", noise("root", NARINFO_BYTES), { class: "root" });
      for (const name of ["a", "b", "c"]) await storePair(store, "http://o", name);
      await storeBody(store, "http://o/large", noise("large", 3 * NAR_BYTES), { class: "payload" });
      await store.settled();
      expect(urisOf(store)).toEqual([
        "http://o/InRelease",
        "http://o/c.narinfo",
        "http://o/large",
        "http://o/nar/c.nar",
      ]);
      const { blobs, blobBytes } = store.usage();
      expect({ blobs, blobBytes }).toEqual({ blobs: 4, blobBytes: 4 * NAR_BYTES + 2 * NARINFO_BYTES });
    },
  );

  test("are as old as the nar: what asks for the narinfo only keeps neither", async ({
    store,
    storePair,
    keeper,
    clock,
  }) => {
    const { narinfo } = await storePair(store, "http://o", "a");
    const { nar } = await storePair(store, "http://o", "b");
    clock.advance(10_000);
    await store.readWhole(narinfo.digest);
    await readBlob(store, nar.digest);
    expect(new Candidates(store.parts.db).sumBeyond({ maxBytes: 1_500 })).toEqual({
      blobs: 2,
      bytes: NAR_BYTES + NARINFO_BYTES,
    });
    expect(await keeper.collect({ maxBytes: 1_500 }, PATIENT)).toMatchObject({
      blobs: 2,
      bytes: NAR_BYTES + NARINFO_BYTES,
    });
    expect(urisOf(store)).toEqual(["http://o/b.narinfo", "http://o/nar/b.nar"]);
  });

  test("go together when either is purged, whatever cache has the other", async ({ store, storePair, keeper }) => {
    for (const cache of ["http://one", "http://other"]) await storePair(store, cache, "a");
    await storePair(store, "http://one", "b");
    expect(await keeper.purge({ pattern: "**/a.nar" }, PATIENT)).toMatchObject({ entries: 2, blobs: 3 });
    expect(urisOf(store)).toEqual(["http://one/b.narinfo", "http://one/nar/b.nar"]);
    expect(await keeper.purge({ pattern: "**/b.narinfo" }, PATIENT)).toMatchObject({ entries: 1, blobs: 2 });
    expect(urisOf(store)).toEqual([]);
    expect(store.usage()).toMatchObject({ blobs: 0, entries: 0, blobBytes: 0 });
  });

  test("a nar stays as long as another narinfo names it", async ({ store, storePair, keeper }) => {
    for (const cache of ["http://one", "http://other"]) await storePair(store, cache, "a");
    await keeper.purge({ pattern: "http://one/*.narinfo" }, PATIENT);
    expect(urisOf(store)).toEqual(["http://one/nar/a.nar", "http://other/a.narinfo", "http://other/nar/a.nar"]);
  });

  test.for(["nar/a.nar", "a.narinfo"])(
    "both stay while one is pinned: %s",
    async (pinned, { storePair, keeper, store }) => {
      await storePair(store, "http://o", "a");
      await storePair(store, "http://o", "b");
      await keeper.pin({ what: [`http://o/${pinned}`] }, PATIENT);
      expect(await keeper.collect({ maxBytes: 0 }, PATIENT)).toMatchObject({ blobs: 2 });
      expect(urisOf(store)).toEqual(["http://o/a.narinfo", "http://o/nar/a.nar"]);
    },
  );

  test.for(["sha512", "sha1"] as const)(
    "are a pair from the moment on that the nar is stored, when both caches name it by its %s",
    async (algorithm, { store, keeper, declaring }) => {
      const nar = noise("a", NAR_BYTES);
      const digest = createHash(algorithm).update(nar).digest("hex");
      for (const cache of ["http://one", "http://other"]) {
        const fields = noise(cache, NARINFO_BYTES);
        const narinfo = await storeBody(store, `${cache}/a.narinfo`, fields, { class: "root" });
        declaring.index.noteCompanions(narinfo.digest, [{ algorithm, digest, bytes: NAR_BYTES }]);
      }
      const { digest: blob } = await storeBody(store, "http://one/nar/a.nar", nar, { class: "payload" });
      for (const _ of ["stored", "stored again"]) declaring.index.noteAlias(algorithm, digest, blob);
      expect(await keeper.purge({ pattern: "**/a.nar" }, PATIENT)).toMatchObject({ blobs: 3 });
      expect(urisOf(store)).toEqual([]);
    },
  );

  test("a narinfo that is replaced takes no nar with it", async ({ store, storePair }) => {
    const { nar } = await storePair(store, "http://o", "a");
    await storeBody(store, "http://o/a.narinfo", noise("signed anew", NARINFO_BYTES), { class: "root" });
    await store.settled();
    expect((await readBlob(store, nar.digest)).length).toBe(NAR_BYTES);
    expect(store.usage()).toMatchObject({ blobs: 2 });
  });
});
