import { cp } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { Dnf } from "../support/clients/dnf.ts";
import { folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Outcome } from "../support/programs.ts";
import { memberPath, RpmRepository } from "../support/repositories/rpm-repository.ts";

const BASE = "/os/";
const REPOMD = "repodata/repomd.xml";
/** What dnf says of metadata that is not what its repomd.xml declares. */
const CHECKSUM_ERROR = /checksum/i;
const PACKAGES = ["larder-one", "larder-two", "larder-three"] as const;

describe.for(["unique", "simple"] as const)("a repository with %s names that is republished", (naming) => {
  const test = base
    /** What was published one after the other: each time a package more, and nothing of the repodata before. */
    .extend("generations", async ({ folder }) => {
      const flags = [`--${naming}-md-filenames`];
      const repository = await RpmRepository.create(join(folder, "rpm"), [], { flags });
      const folders: string[] = [];
      for (const name of PACKAGES) {
        await repository.build(name);
        await repository.index({ flags });
        const generation = join(folder, `generation-${folders.length + 1}`);
        await cp(repository.folder, generation, { recursive: true });
        folders.push(generation);
      }
      return folders;
    })
    /** The origin publishes a generation; the next one comes after so many requests. */
    .extend("publish", ({ origin, generations }) => (generation: number, requests = Number.POSITIVE_INFINITY) => {
      const [now, next] = [generation, generation + 1].map((number) =>
        folderHandler(BASE, generations[number - 1] ?? "", () => ({ "Cache-Control": "max-age=600" })),
      );
      let left = requests;
      origin.serve(BASE, (request, response) => {
        left -= 1;
        return (left >= 0 ? now : next)?.(request, response);
      });
    })
    .extend("newMachine", ({ larder, caFile, folder, origin }) => {
      let machines = 0;
      return () => {
        machines += 1;
        const home = join(folder, `machine-${machines}`);
        const repository = { baseurl: origin.url + BASE };
        return Dnf.create({ folder: home, proxy: larder.url, caFile, repository });
      };
    });

  test("between repomd.xml and members that are stored: dnf never knows", async ({ publish, newMachine, origin }) => {
    publish(1);
    await (await newMachine()).update();
    origin.takeRequests();

    publish(1, 1);
    const machine = await newMachine();
    await machine.update();
    expect(origin.takeRequests().map(({ path }) => path)).toEqual([BASE + REPOMD]);
    await machine.install("larder-one");
    await machine.update();
    await machine.install("larder-two");
  });

  test("between repomd.xml and members that are not: an error that says so, and the next time it works", async ({
    publish,
    newMachine,
    larder,
  }) => {
    publish(1, 1);
    const machine = await newMachine();
    const outcome = await machine.run("makecache");
    expect(outcome.code).toBe(1);
    expect(said(outcome)).not.toMatch(CHECKSUM_ERROR);
    const answers = larder.log.filter(({ target, msg }) => msg === "exchange" && /primary/.test(String(target)));
    for (const { status, code } of answers) expect({ status, code }).toEqual({ status: 502, code: "GENERATION_GONE" });
    await machine.must("makecache");
    await machine.install("larder-two");
  });

  if (naming === "simple")
    test("again, when its members had come with the new repomd.xml already: dnf never knows", async ({
      publish,
      newMachine,
      origin,
    }) => {
      publish(1);
      await (await newMachine()).update();
      const asked = origin.takeRequests().length;
      publish(2, asked);
      const machine = await newMachine();
      await machine.update();
      expect(origin.takeRequests().length).toBe(asked);
      await machine.install("larder-two");
    });

  test("between repomd.xml and its members: the next repomd.xml is asked for, however fresh the last is", async ({
    publish,
    larder,
    origin,
    generations,
  }) => {
    publish(1, 1);
    const [before = ""] = generations;
    const uri = origin.url + BASE;
    await get(larder, uri + REPOMD);
    await get(larder, uri + (await memberPath(before, "primary")));
    origin.takeRequests();
    await get(larder, uri + REPOMD);
    expect(origin.takeRequests().map(({ path }) => path)).toContain(BASE + REPOMD);
  });

  test("between repomd.xml and its members: what the origin has next is believed at once", async ({
    publish,
    larder,
    startLarder,
    origin,
    generations,
  }) => {
    publish(1, 1);
    const [before = "", after = ""] = generations;
    const uri = origin.url + BASE;
    await get(larder, uri + REPOMD);
    await get(larder, uri + (await memberPath(before, "primary")));
    // Another process does not know which members were asked for, and brings none in with their root.
    await larder.stop();
    const another = await startLarder({ folder: larder.folder });
    await get(another, uri + REPOMD, { "Cache-Control": "no-cache" });
    expect((await get(another, uri + (await memberPath(after, "primary")))).status).toBe(200);
  });
});

function said({ stdout, stderr }: Outcome): string {
  return stdout.toString() + stderr;
}
