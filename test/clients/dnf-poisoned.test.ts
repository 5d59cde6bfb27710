import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { get } from "../support/client.ts";
import { Dnf } from "../support/clients/dnf.ts";
import { bytesHandler, findFiles, folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import { runProgram } from "../support/programs.ts";
import { RpmRepository } from "../support/repositories/rpm-repository.ts";

const RPM = /\.rpm$/;
const PATH = "/os/";
const CURLE_PARTIAL_FILE = 18;
const CURLE_RANGE_ERROR = 33;

/** More than is held back until it is verified, and less. */
const LARGE = "larder-large";
const SIZES = { [LARGE]: 400_000, "larder-small": 20_000 };

const test = base
  .extend("repository", async ({ folder }) => {
    const repository = await RpmRepository.create(join(folder, "rpm"), []);
    for (const [name, bytes] of Object.entries(SIZES)) await repository.build(name, { bytes });
    await repository.index();
    return repository;
  })
  .extend("published", ({ repository }) => folderDigests(repository.packages, RPM))
  /** The packages with another first byte, by file name. */
  .extend("wrong", async ({ repository, published }) => {
    const bodies = Object.keys(published).map(async (name) => {
      const body = await readFile(join(repository.packages, name));
      body.writeUInt8(body.readUInt8(0) ^ 1);
      return [name, body] as const;
    });
    return new Map(await Promise.all(bodies));
  })
  .extend("good", async ({ startOrigin, repository }) => {
    const good = await startOrigin();
    good.serve(PATH, folderHandler(PATH, repository.folder));
    return good;
  })
  .extend("poisoned", async ({ startOrigin, repository, wrong }) => {
    const poisoned = await startOrigin();
    poisoned.serve(PATH, folderHandler(PATH, repository.folder));
    for (const [name, body] of wrong) poisoned.serve(`${PATH}Packages/${name}`, bytesHandler(body));
    return poisoned;
  })
  /** A machine that has never seen the repository, and is told of these mirrors. */
  .extend("newMachine", ({ larder, caFile, folder }) => {
    let machines = 0;
    return (...mirrors: readonly Origin[]) => {
      machines += 1;
      const home = join(folder, `machine-${machines}`);
      const baseurl = mirrors.map(({ url }) => url + PATH).join(" ");
      return Dnf.create({ folder: home, proxy: larder.url, caFile, repository: { baseurl } });
    };
  })
  /** The digests of wrong bodies, wherever the larder keeps something. */
  .extend("wrongBlobs", ({ larder, wrong }) => async () => {
    const digests = new Set([...wrong.values()].map((body) => String(digestOf(body))));
    return (await keptBy(larder)).filter((name) => digests.has(name));
  });

describe("a mirror that lies about packages", () => {
  test("alone: dnf fails however often it tries, larder keeps nothing of it and says so", async ({
    newMachine,
    poisoned,
    published,
    larder,
    wrongBlobs,
  }) => {
    const machine = await newMachine(poisoned);
    for (const _ of ["first", "second"]) {
      expect((await machine.run("install", ...Object.keys(SIZES))).code).toBe(1);
      expect(await machine.downloads()).toEqual({});
    }
    expect(await wrongBlobs()).toEqual([]);

    const told = () => [...new Set(larder.logged("mismatch").map(({ target }) => basename(String(target))))].sort();
    await expect.poll(told).toEqual(Object.keys(published));
    for (const { target, ...line } of larder.logged("mismatch")) {
      const root = `${poisoned.url}${PATH}repodata/repomd.xml`;
      const declared = published[basename(String(target))];
      expect(line).toMatchObject({ code: "DIGEST_MISMATCH", declared, root });
      expect(line["received"]).toMatch(/^[0-9a-f]{64}$/);
      expect(line["received"]).not.toBe(declared);
    }
    const status = (await larder.command("status")).stdout.toString();
    const counted = Number(/\b(\d+) mismatches$/m.exec(status)?.[1]);
    await expect.poll(() => larder.logged("mismatch")).toHaveLength(counted);
  });

  test("cut in the middle: who comes back for the rest gets all of it, from a good one (curl -C -)", async ({
    newMachine,
    poisoned,
    good,
    published,
    larder,
    folder,
  }) => {
    await (await newMachine(poisoned)).update();
    const name = `${LARGE}-1.0-1.noarch.rpm`;
    const url = `${poisoned.url}${PATH}Packages/${name}`;
    const args = ["--silent", "--fail", "--proxy", larder.url, "--continue-at", "-", "--output", "got", url];
    const curl = async () => (await runProgram("curl", args, { cwd: folder })).code;
    const got = async () => await readFile(join(folder, "got"));
    expect(await curl()).toBe(CURLE_PARTIAL_FILE);
    const cut = await got();
    expect(cut.length).toBeGreaterThan(0);

    await (await newMachine(good)).update();
    // A 200 where a part was asked for: curl does not put that behind what it has.
    expect(await curl()).toBe(CURLE_RANGE_ERROR);
    expect((await got()).equals(cut)).toBe(true);
    const answer = await get(larder, url, { Range: `bytes=${cut.length}-` });
    expect({ status: answer.status, digest: digestOf(answer.body) }).toEqual({ status: 200, digest: published[name] });
  });

  test("beside a good one: dnf turns to that", async ({ newMachine, poisoned, good, published, wrongBlobs }) => {
    const machine = await newMachine(poisoned, good);
    expect(await machine.install(...Object.keys(SIZES))).toEqual(published);
    expect(await wrongBlobs()).toEqual([]);
  });

  test("beside a good one that larder knows: it takes the bytes from there by itself", async ({
    newMachine,
    poisoned,
    good,
    published,
    wrongBlobs,
  }) => {
    await (await newMachine(good)).update();
    good.takeRequests();
    const machine = await newMachine(poisoned);
    expect(await machine.install(...Object.keys(SIZES))).toEqual(published);
    expect(bodyBytes(poisoned.takeRequests(), RPM)).toBeGreaterThan(0);
    expect(
      good
        .takeRequests()
        .map(({ path }) => basename(path))
        .sort(),
    ).toEqual(Object.keys(published));
    expect(await wrongBlobs()).toEqual([]);
  });
});

/** The names of all files of its store. */
async function keptBy({ folder }: Larder): Promise<string[]> {
  const files = await findFiles(join(folder, "cache/larder"), /^[0-9a-f]{64}/);
  return files.map((file) => basename(file).slice(0, 64));
}
