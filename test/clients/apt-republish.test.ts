import { cp, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { get } from "../support/client.ts";
import { AptClient } from "../support/clients/apt-client.ts";
import { spoiled } from "../support/faults.ts";
import { bytesHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { mustRun, type Outcome } from "../support/programs.ts";
import { AptPublisher, INDEX } from "../support/repositories/apt-repository.ts";
import { Site } from "../support/repositories/site.ts";

const ROOT = "dists/stable/InRelease";
const MEMBER = /\/Packages|\/by-hash\//;
const FIRST = [{ name: "larder-thing" }];
const SECOND = [{ name: "larder-thing", version: "2.0" }, { name: "larder-more" }];

/** The same repository before and after it is published anew; nothing of the one is in the other. */
const test = base
  .extend("generations", { scope: "file" }, async ({ sharedFolder }) => {
    const publisher = await AptPublisher.create(sharedFolder);
    const publish = async (hasByHash: boolean) => {
      const name = hasByHash ? "by-hash" : "by-name";
      return {
        first: await publisher.publish(`${name}-1`, FIRST, { hasByHash }),
        second: await publisher.publish(`${name}-2`, SECOND, { hasByHash }),
      };
    };
    const sameName = {
      before: await publisher.publish("before", FIRST),
      after: await publisher.publish("after", [{ name: "larder-thing", bytes: 30_000 }]),
    };
    return { byName: await publish(false), byHash: await publish(true), sameName };
  })
  .extend("newMachine", ({ larder, caFile, folder, generations }) => {
    let machines = 0;
    return (site: Site) => {
      machines += 1;
      const access = { proxy: larder.url, caFile };
      const { keyring } = generations.byName.first;
      const home = join(folder, `machine-${machines}`);
      return AptClient.create({ folder: home, repository: { keyring }, urls: [site.url], access });
    };
  });

describe.for(["byName", "byHash"] as const)("a repository published anew in mid-update, indexes %s", (layout) => {
  const withSite = test
    .extend("first", ({ generations }) => generations[layout].first.folder)
    .extend("second", ({ generations }) => generations[layout].second.folder)
    .extend("site", ({ origin, first }) => new Site(origin, "/debian/", first));

  withSite("the index is stored: who took its root gets it", async ({ origin, site, second, newMachine, larder }) => {
    expectSuccess(await (await newMachine(site)).update());
    origin.takeRequests();
    site.publishAfter("/InRelease", second);
    expectSuccess(await (await newMachine(site)).update());
    expect(origin.takeRequests().filter(({ path }) => MEMBER.test(path))).toEqual([]);
    expect(larder.logged("mismatch")).toEqual([]);
  });

  withSite(
    "the index is gone: the client is told so, and its next update works",
    async ({ site, second, newMachine, larder }) => {
      const apt = await newMachine(site);
      site.publishAfter("/InRelease", second);
      const outcome = await apt.update();
      expect(outcome.code).not.toBe(0);
      expect(outcome.stderr).toContain("502");
      expect(outcome.stderr).not.toMatch(/mismatch/i);
      await expect
        .poll(() => larder.logged("exchange"))
        .toContainEqual(expect.objectContaining({ status: 502, code: "GENERATION_GONE" }));

      expectSuccess(await apt.update());
      expectSuccess(await apt.download(["larder-more"]));
    },
  );
});

/** How many fills there may be at once, and what the origin wants to see. */
const CONDITIONS: Readonly<Record<string, { readonly flags?: readonly string[]; readonly authorization?: string }>> = {
  "as many fills as usual": {},
  "one fill at a time": { flags: ["--fills-per-origin", "1"] },
  "an origin that wants credentials": { authorization: "Basic bWluZQ==" },
};

test.for(Object.entries(CONDITIONS))(
  "with a root come the indexes that clients ask for: %s",
  async ([, { flags = [], authorization }], { generations, origin, startLarder }) => {
    const larder = await startLarder({ flags });
    const { first, second } = generations.byName;
    const site = new Site(origin, "/debian/", first.folder, authorization);
    const headers = {
      "Cache-Control": "max-age=0",
      ...(authorization === undefined ? {} : { Authorization: authorization }),
    };
    const take = (path: string) => get(larder, `${site.url}/${path}`, headers);
    await take(ROOT);
    await take(`${INDEX}/Packages.gz`);
    site.publish(second.folder);
    expect(await take(ROOT)).toMatchObject({ status: 200 });
    await origin.stop();
    const published = await readFile(join(second.folder, INDEX, "Packages.gz"));
    expect((await take(`${INDEX}/Packages.gz`)).body.equals(published)).toBe(true);
  },
);

test("an index that is wrong when it comes in with its root is told, counted and left alone", async ({
  generations,
  origin,
  larder,
}) => {
  const { first, second } = generations.byName;
  const site = new Site(origin, "/debian/", first.folder);
  const headers = { "Cache-Control": "max-age=0" };
  for (const path of [ROOT, `${INDEX}/Packages.gz`]) await get(larder, `${site.url}/${path}`, headers);
  site.publish(second.folder);
  const right = await readFile(join(second.folder, INDEX, "Packages.gz"));
  origin.serve(`/debian/${INDEX}/Packages.gz`, bytesHandler(spoiled(right)));
  expect(await get(larder, `${site.url}/${ROOT}`, headers)).toMatchObject({ status: 200 });
  await expect
    .poll(() => larder.logged("mismatch"))
    .toMatchObject([
      { code: "DIGEST_MISMATCH", target: `${site.url}/${INDEX}/Packages.gz`, declared: digestOf(right) },
    ]);
  expect(await larder.counters()).toMatchObject({ mismatches: 1 });
});

test("an index that its root names and that is nowhere is answered as its origin does, while the root is what it was", async ({
  generations,
  origin,
  larder,
}) => {
  const { first, second } = generations.byName;
  const site = new Site(origin, "/debian/", first.folder);
  await get(larder, `${site.url}/${ROOT}`);
  origin.takeRequests();
  const index = `${site.url}/${INDEX}/Packages`;
  expect(await get(larder, index)).toMatchObject({ status: 404 });
  expect(origin.takeRequests().map(({ path }) => path.slice("/debian/".length))).toContain(ROOT);
  site.publish(second.folder);
  const gone = await get(larder, index);
  expect(gone).toMatchObject({ status: 502 });
  expect(gone.body.toString()).toContain("GENERATION_GONE");
});

test("an index by hash that the origin keeps is found in mid-update, stored or not", async ({
  generations,
  origin,
  folder,
  newMachine,
}) => {
  const { first, second } = generations.byHash;
  const both = join(folder, "both");
  await cp(second.folder, both, { recursive: true });
  await cp(join(first.folder, INDEX, "by-hash"), join(both, INDEX, "by-hash"), { recursive: true });
  const site = new Site(origin, "/debian/", first.folder);
  site.publishAfter("/InRelease", both);
  expectSuccess(await (await newMachine(site)).update());
});

test("a package that came before the index that declares it is had as soon as that is there", async ({
  generations,
  origin,
  larder,
}) => {
  const { before, after } = generations.sameName;
  const site = new Site(origin, "/debian/", before.folder);
  const headers = { "Cache-Control": "max-age=0" };
  const takeIndexes = async () => {
    for (const path of [ROOT, `${INDEX}/Packages.gz`]) await get(larder, `${site.url}/${path}`, headers);
  };
  const takePackage = () => get(larder, `${site.url}/pool/larder-thing_1.0_all.deb`);
  await takeIndexes();
  site.publish(after.folder);
  expect(await takePackage()).toMatchObject({ status: 502 });
  await takeIndexes();
  const published = await readFile(join(after.folder, "pool/larder-thing_1.0_all.deb"));
  expect((await takePackage()).body.equals(published)).toBe(true);
});

test("two clients, each with a root of its own: each gets the index of its generation, after a restart too", async ({
  generations,
  origin,
  startLarder,
  folder,
}) => {
  const own = join(folder, "larder");
  await mkdir(own);
  let larder = await startLarder({ folder: own });
  const { first, second } = generations.byName;
  const site = new Site(origin, "/debian/", first.folder);
  const index = `${site.url}/${INDEX}/Packages.gz`;
  const fetchAs = (address: string, url: string) =>
    mustRun("curl", ["--silent", "--fail", "--interface", address, "--proxy", larder.url, url], { cwd: folder });
  const indexOf = (repository: string) => readFile(join(repository, INDEX, "Packages.gz"));

  await fetchAs("127.0.0.1", `${site.url}/${ROOT}`);
  await fetchAs("127.0.0.1", index);
  site.publish(second.folder);
  await fetchAs("127.0.0.2", `${site.url}/${ROOT}`);
  expect(await fetchAs("127.0.0.2", index)).toEqual(await indexOf(second.folder));
  expect(await fetchAs("127.0.0.1", index)).toEqual(await indexOf(first.folder));
  // Whoever has taken no root gets what is newest.
  expect(await fetchAs("127.0.0.3", index)).toEqual(await indexOf(second.folder));
  expect(await get(larder, index)).toMatchObject({ status: 200 });

  await larder.stop();
  larder = await startLarder({ folder: own });
  expect(await fetchAs("127.0.0.1", index)).toEqual(await indexOf(first.folder));
  expect(await fetchAs("127.0.0.2", index)).toEqual(await indexOf(second.folder));
});

function expectSuccess({ code, stdout, stderr }: Outcome): void {
  expect(code, `${stdout}\n${stderr}`).toBe(0);
}
