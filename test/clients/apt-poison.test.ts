import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { get } from "../support/client.ts";
import { AptClient } from "../support/clients/apt-client.ts";
import { chunkedHandler, spoiled } from "../support/faults.ts";
import { bytesHandler, folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes, type Handler, type Origin } from "../support/origin.ts";
import { type Outcome, runProgram } from "../support/programs.ts";
import { AptPublisher } from "../support/repositories/apt-repository.ts";

const SMALL = "larder-small";
const LARGE = "larder-large";
const PACKAGES = [{ name: SMALL }, { name: LARGE, bytes: 1_500_000 }];
const NAMES = [SMALL, LARGE] as const;
const pathOf = (name: string) => `/debian/pool/${name}_1.0_all.deb`;

/** What a mirror may make of a file, and the code under which larder tells it. */
const POISONS: Readonly<Record<string, { readonly code: string; readonly poison: (body: Buffer) => Handler }>> = {
  "the right length and wrong bytes": { code: "DIGEST_MISMATCH", poison: (body) => bytesHandler(spoiled(body)) },
  "too short a file": { code: "SIZE_MISMATCH", poison: (body) => bytesHandler(body.subarray(0, body.length - 512)) },
  "too long a file": {
    code: "SIZE_MISMATCH",
    poison: (body) => bytesHandler(Buffer.concat([body, Buffer.alloc(512)])),
  },
  "too short a file without a length": {
    code: "SIZE_MISMATCH",
    poison: (body) => chunkedHandler(body.subarray(0, -512)),
  },
  "too long a file without a length": {
    code: "SIZE_MISMATCH",
    poison: (body) => chunkedHandler(Buffer.concat([body, Buffer.alloc(512)])),
  },
};

const test = base
  .extend("repository", { scope: "file" }, async ({ sharedFolder }) => {
    const publisher = await AptPublisher.create(sharedFolder);
    return publisher.publish("repository", PACKAGES);
  })
  .extend("debs", { scope: "file" }, async ({ repository }) => {
    const read = async (name: string) => readFile(join(repository.folder, "pool", `${name}_1.0_all.deb`));
    return { [SMALL]: await read(SMALL), [LARGE]: await read(LARGE) };
  })
  .extend("published", { scope: "file" }, ({ repository }) => folderDigests(join(repository.folder, "pool"), /\.deb$/))
  /** Starts an origin that serves the repository. */
  .extend("mirror", ({ startOrigin, repository }) => async (): Promise<Origin> => {
    const mirror = await startOrigin();
    mirror.serve("/debian/", folderHandler("/debian/", repository.folder));
    return mirror;
  })
  /** A machine that has taken the indexes from these places. */
  .extend("updated", ({ larder, caFile, folder, repository }) => async (machine: string, ...mirrors: Origin[]) => {
    const access = { proxy: larder.url, caFile };
    const urls = mirrors.map(({ url }) => `${url}/debian`);
    const apt = await AptClient.create({ folder: join(folder, machine), repository, urls, access });
    expectSuccess(await apt.update());
    return apt;
  });

describe.for(Object.entries(POISONS))("a lone mirror that gives %s", ([, { code, poison }]) => {
  test("cannot make apt-get, or larder, take it", async ({ mirror, updated, larder, debs, published }) => {
    const bad = await mirror();
    for (const name of NAMES) bad.serve(pathOf(name), poison(debs[name]));
    const apt = await updated("machine", bad);
    bad.takeRequests();

    for (let tries = 0; tries < 2; tries++) {
      expect((await apt.download(NAMES)).code).not.toBe(0);
      expect(await apt.packages()).toEqual({});
    }
    expect(await larder.stored(".deb")).toEqual([]);
    const lineOf = (name: (typeof NAMES)[number]) => ({
      code,
      target: `${bad.url}${pathOf(name)}`,
      declared: published[`${name}_1.0_all.deb`],
      ...(code === "DIGEST_MISMATCH" ? { received: digestOf(spoiled(debs[name])) } : {}),
      root: `${bad.url}/debian/dists/stable/InRelease`,
    });
    const mismatches = () => larder.logged("mismatch");
    for (const name of NAMES) await expect.poll(mismatches).toContainEqual(expect.objectContaining(lineOf(name)));
    const { mismatches: counted = 0 } = await larder.counters();
    await expect.poll(mismatches).toHaveLength(counted);
    expect(bad.takeRequests().filter(({ path }) => path.endsWith(".deb"))).toHaveLength(counted);

    for (const name of NAMES) bad.serve(pathOf(name), bytesHandler(debs[name]));
    await expect.poll(async () => (await apt.download(NAMES)).code).toBe(0);
    expect(await apt.packages()).toEqual(published);
  });
});

describe("a mirror that gives wrong bytes beside one that gives right ones", () => {
  const withBoth = test
    .extend("bad", async ({ mirror, debs }) => {
      const bad = await mirror();
      for (const name of NAMES) bad.serve(pathOf(name), bytesHandler(spoiled(debs[name])));
      return bad;
    })
    .extend("good", ({ mirror }) => mirror());

  withBoth("costs nothing when apt knows both", async ({ bad, good, updated, published }) => {
    const apt = await updated("machine", bad, good);
    expectSuccess(await apt.download(NAMES));
    expect(await apt.packages()).toEqual(published);
  });

  withBoth("is passed over when only larder knows the other", async ({ bad, good, updated, published, larder }) => {
    await updated("one", good);
    const apt = await updated("other", bad);
    good.takeRequests();
    // What is longer than the held tail is cut once, and comes from the other place when apt asks again.
    expectSuccess(await apt.download(NAMES, "-o", "Acquire::Retries=1"));
    expect(await apt.packages()).toEqual(published);
    expect(bodyBytes(good.takeRequests(), /\.deb$/)).toBeGreaterThan(1_500_000);
    await expect.poll(() => larder.logged("mismatch")).toHaveLength(2);
  });

  withBoth(
    "leaves no cut answer that can be completed wrongly",
    async ({ bad, good, updated, folder, larder, debs }) => {
      await updated("one", good);
      await updated("other", bad);
      const url = `${bad.url}${pathOf(LARGE)}`;
      const part = join(folder, "part.deb");
      const curl = (...args: string[]) =>
        runProgram("curl", ["--silent", "--proxy", larder.url, "--output", part, ...args, url], { cwd: folder });

      const CURLE_PARTIAL_FILE = 18;
      expect(await curl()).toMatchObject({ code: CURLE_PARTIAL_FILE });
      const cut = await readFile(part);
      expect(cut.length).toBeGreaterThan(0);
      expect(cut.length).toBeLessThan(debs[LARGE].length);

      const resumed = await get(larder, url, { Range: `bytes=${cut.length}-` });
      expect(resumed).toMatchObject({ status: 200, isWhole: true });
      expect(resumed.body.equals(debs[LARGE])).toBe(true);

      // It is offered the whole, and does not append it.
      const CURLE_RANGE_ERROR = 33;
      expect(await curl("--continue-at", "-")).toMatchObject({ code: CURLE_RANGE_ERROR });
      expect((await readFile(part)).equals(cut)).toBe(true);
      await writeFile(part, "");
      expect(await curl()).toMatchObject({ code: 0 });
      expect((await readFile(part)).equals(debs[LARGE])).toBe(true);
    },
  );
});

function expectSuccess({ code, stdout, stderr }: Outcome): void {
  expect(code, `${stdout}\n${stderr}`).toBe(0);
}
