import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { spoiled } from "../support/faults.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import type { Origin } from "../support/origin.ts";
import { AptPublisher, INDEX } from "../support/repositories/apt-repository.ts";

const DEB = "pool/larder-thing_1.0_all.deb";

/** Two places of one repository: only the first has its metadata. */
const test = base
  .extend("repository", { scope: "file" }, async ({ sharedFolder }) =>
    (await AptPublisher.create(sharedFolder)).publish("repository", [{ name: "larder-thing" }]),
  )
  .extend("deb", { scope: "file" }, ({ repository }) => readFile(join(repository.folder, DEB)))
  .extend("near", async ({ startOrigin, repository }) => {
    const near = await startOrigin();
    near.serve("/debian/", folderHandler("/debian/", repository.folder));
    return near;
  })
  .extend("far", async ({ startOrigin, deb }) => {
    const far = await startOrigin();
    far.serve(`/mirrors/debian/${DEB}`, bytesHandler(deb));
    return far;
  })
  .extend("urls", ({ near, far }) => ({ near: `${near.url}/debian/`, far: `${far.url}/mirrors/debian/` }))
  /** Starts a larder, or the same again, whose file says that these bases are one repository. */
  .extend("startWith", ({ startLarder, folder }) => async (bases: readonly string[]): Promise<Larder> => {
    const own = join(folder, "larder");
    await mkdir(join(own, "config/larder"), { recursive: true });
    const table = `[[repository]]\necosystem = "deb"\nbases = ${JSON.stringify(bases)}\n`;
    await writeFile(join(own, "config/larder/larder.toml"), bases.length === 0 ? "" : table);
    return startLarder({ folder: own });
  });

async function takeIndexes(larder: Larder, base: string): Promise<void> {
  for (const path of ["dists/stable/InRelease", `${INDEX}/Packages.gz`])
    expect(await get(larder, base + path)).toMatchObject({ status: 200 });
}

const isHit = async (larder: Larder, url: string) =>
  / hit\b/.test(String((await get(larder, url)).headers["cache-status"]));
const packages = (origin: Origin) => origin.takeRequests().filter(({ path }) => path.endsWith(".deb"));

describe("bases that larder.toml names as one repository", () => {
  test("share what was declared at one of them: a payload of the other is a hit", async ({
    startWith,
    urls,
    far,
    deb,
  }) => {
    const larder = await startWith([urls.near, urls.far.slice(0, -1)]);
    await takeIndexes(larder, urls.near);
    await get(larder, urls.near + DEB);
    const answer = await get(larder, urls.far + DEB);
    expect(answer.body.equals(deb)).toBe(true);
    expect(answer.headers["cache-status"]).toContain("hit");
    expect(far.takeRequests()).toEqual([]);
    const why = await larder.command("why", urls.far + DEB, "--json");
    expect(JSON.parse(why.stdout.toString())).toMatchObject({ declaration: { base: urls.far } });
  });

  for (const [what, change] of [
    ["cross the network once", (bytes: Buffer) => bytes],
    ["do not fail together when the one gives wrong bytes", spoiled],
  ] as const)
    test(`asked for the same at the same moment, they ${what}`, async ({ startWith, urls, near, far, deb }) => {
      const larder = await startWith([urls.near, urls.far]);
      await takeIndexes(larder, urls.near);
      let goOn: () => void = () => undefined;
      const isAsked = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      near.serve(`/debian/${DEB}`, async (request, response) => {
        await isAsked;
        await bytesHandler(change(deb))(request, response);
      });
      const arrived = near.arrival(`/debian/${DEB}`);
      const first = get(larder, urls.near + DEB);
      await arrived;
      const second = get(larder, urls.far + DEB);
      // Whatever the second does at first, it does before the first has an answer.
      await new Promise((resolve) => setTimeout(resolve, 200));
      goOn();
      for (const { status, body } of await Promise.all([first, second]))
        expect([status, body.equals(deb)]).toEqual([200, true]);
      expect(far.takeRequests()).toHaveLength(change === spoiled ? 1 : 0);
    });

  test("stand in for each other when one gives wrong bytes", async ({ startWith, urls, near, deb }) => {
    const larder = await startWith([urls.near, urls.far]);
    await takeIndexes(larder, urls.near);
    near.serve(`/debian/${DEB}`, bytesHandler(spoiled(deb)));
    expect((await get(larder, urls.near + DEB)).body.equals(deb)).toBe(true);
    await expect.poll(() => larder.logged("mismatch")).toMatchObject([{ target: urls.near + DEB }]);
  });

  test("stand in for each other when one has lost an index", async ({ startWith, urls, near, far, repository }) => {
    const larder = await startWith([urls.near, urls.far]);
    far.serve("/mirrors/debian/", folderHandler("/mirrors/debian/", repository.folder));
    near.serve(`/debian/${INDEX}/Packages.gz`, (_, response) => void response.writeHead(404).end());
    expect(await get(larder, `${urls.near}dists/stable/InRelease`)).toMatchObject({ status: 200 });
    const index = await get(larder, `${urls.near}${INDEX}/Packages.gz`);
    expect(index).toMatchObject({ status: 200, isWhole: true });
    expect(index.body.equals(await readFile(join(repository.folder, INDEX, "Packages.gz")))).toBe(true);
  });

  test("are strangers again when the file no longer says so", async ({ startWith, urls, far }) => {
    const before = await startWith([urls.near, urls.far]);
    await takeIndexes(before, urls.near);
    await get(before, urls.near + DEB);
    await before.stop();
    const after = await startWith([]);
    expect(await isHit(after, urls.near + DEB)).toBe(true);
    expect(await isHit(after, urls.far + DEB)).toBe(false);
    expect(packages(far)).toHaveLength(1);
  });
});
