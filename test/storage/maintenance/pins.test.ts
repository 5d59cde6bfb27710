import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { noise } from "../../support/noise.ts";
import { storeBody } from "../bodies.ts";
import { keeperOf, PATIENT, test } from "./keeping.ts";

test("a pin is by digest, by its first digits or by URI; what is meant by nothing is said", async ({
  store,
  keeper,
  clock,
}) => {
  const a = await storeBody(store, "http://o/a", noise("a", 100));
  const b = await storeBody(store, "http://o/b", noise("b", 100));
  const pinned = await keeper.pin({ what: [a.digest.slice(0, 12), "http://*/b"] }, PATIENT);
  const pins = [
    { digest: a.digest, uri: "http://o/a", pinnedMs: clock.nowMs },
    { digest: b.digest, uri: "http://o/b", pinnedMs: clock.nowMs },
  ];
  expect(pinned.pins).toEqual(expect.arrayContaining(pins));
  expect(pinned.pins).toHaveLength(2);
  await expect(keeper.pin({ what: ["http://o/c"] }, PATIENT)).rejects.toMatchObject({ code: "USAGE" });
  expect((await keeper.unpin({ what: ["http://o/a"] }, PATIENT)).pins).toEqual([pins[0]]);
  await expect(keeper.unpin({ what: ["http://o/a"] }, PATIENT)).rejects.toMatchObject({ code: "USAGE" });
});

test("a pin survives the loss of the cache: the blob is pinned again as soon as it is stored again", async ({
  workbench,
  store,
  rootDir,
  open,
}) => {
  const first = await keeperOf(workbench, store);
  await storeBody(store, "http://o/a", noise("a", 1_000));
  await first.keeper.pin({ what: ["http://o/a"] }, PATIENT);
  first.close();
  await store.close();
  await rm(rootDir, { recursive: true });

  const again = await open({ maxBytes: 1_500 });
  const second = await keeperOf(workbench, again);
  await storeBody(again, "http://o/a", noise("a", 1_000));
  await storeBody(again, "http://o/b", noise("b", 1_000));
  await again.settled();
  expect(again.list({ limit: 9 }).map(({ uri }) => uri)).toEqual(["http://o/a"]);
  second.close();
});

test("a pin survives the loss of the ledger: the index gives it back", async ({ workbench, store, folder }) => {
  const first = await keeperOf(workbench, store);
  const { digest } = await storeBody(store, "http://o/a", noise("a", 1_000));
  await first.keeper.pin({ what: ["http://o/a"] }, PATIENT);
  first.close();
  await rm(join(folder, "state"), { recursive: true });
  const second = await keeperOf(workbench, store);
  expect((await second.keeper.unpin({ what: ["**"] }, PATIENT)).pins).toMatchObject([{ digest }]);
  second.close();
});

test("a blob whose entry is replaced stays while it is pinned, and goes with its pin", async ({ store, keeper }) => {
  const before = await storeBody(store, "http://o/InRelease", noise("before", 100), { class: "root" });
  await keeper.pin({ what: [before.digest] }, PATIENT);
  await storeBody(store, "http://o/InRelease", noise("after", 100), { class: "root" });
  await store.settled();
  expect(store.usage()).toMatchObject({ blobs: 2, entries: 1 });
  await keeper.unpin({ what: [before.digest] }, PATIENT);
  expect(store.usage()).toMatchObject({ blobs: 1, entries: 1, blobBytes: 100 });
});
