import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { Dnf } from "../support/clients/dnf.ts";
import { folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes } from "../support/origin.ts";
import { mustRun } from "../support/programs.ts";
import { type Packing, RpmRepository } from "../support/repositories/rpm-repository.ts";

const PACKAGES = ["larder-first", "larder-second"];
const RPM = /\.rpm$/;

interface Way {
  readonly scheme: "http" | "https";
  readonly packing: Packing;
}

const WAYS: readonly Way[] = [
  { scheme: "http", packing: "gz" },
  { scheme: "http", packing: "xz" },
  { scheme: "http", packing: "zstd" },
  { scheme: "https", packing: "zck" },
];

describe.for(WAYS)("dnf over $scheme, repodata by $packing", ({ scheme, packing }) => {
  const test = base
    .extend("repository", ({ folder }) => RpmRepository.create(join(folder, "rpm"), PACKAGES, { packing }))
    .extend("published", ({ repository }) => folderDigests(repository.packages, RPM))
    /** Serves the repository as one more mirror does, each with a base path of its own. */
    .extend("startMirror", ({ startOrigin, authority, repository }) => async (path: string) => {
      const tls = scheme === "http" ? undefined : { tls: authority.certificate("good"), name: "localhost" };
      const mirror = await startOrigin(tls);
      mirror.serve(path, folderHandler(path, repository.folder));
      return { mirror, baseurl: mirror.url + path };
    })
    /** A machine that has never seen the repository. */
    .extend("newMachine", ({ larder, caFile, folder }) => {
      let machines = 0;
      return (baseurl: string) => {
        machines += 1;
        const home = join(folder, `machine-${machines}`);
        return Dnf.create({ folder: home, proxy: larder.url, caFile, repository: { baseurl } });
      };
    });

  test("installs through another mirror without a payload byte from it, and again when both are down", async ({
    startMirror,
    newMachine,
    published,
  }) => {
    const [one, other] = [await startMirror("/linux/releases/1/os/"), await startMirror("/pub/mirror/1/")];
    expect(await (await newMachine(one.baseurl)).install(...PACKAGES)).toEqual(published);
    expect(bodyBytes(one.mirror.takeRequests(), RPM)).toBeGreaterThan(0);

    expect(await (await newMachine(other.baseurl)).install(...PACKAGES)).toEqual(published);
    expect(bodyBytes(other.mirror.takeRequests(), RPM)).toBe(0);
    expect(one.mirror.takeRequests()).toEqual([]);

    await one.mirror.stop();
    await other.mirror.stop();
    for (const { baseurl } of [one, other])
      expect(await (await newMachine(baseurl)).install(...PACKAGES)).toEqual(published);
  });
});

base(
  "dnf with openSUSE's layout: folders by architecture, sha512, packages redirected to whatever mirror is near",
  async ({ folder, startOrigin, larder, caFile }) => {
    const repository = await RpmRepository.create(join(folder, "rpm"), PACKAGES);
    const oss = join(folder, "oss");
    await mkdir(oss);
    await rename(repository.packages, join(oss, "noarch"));
    const flags = ["--checksum", "sha512", "--repomd-checksum", "sha512", "--xz"];
    await mustRun("createrepo_c", ["--quiet", "--no-database", ...flags, oss], { cwd: folder });
    const published = await folderDigests(join(oss, "noarch"), RPM);

    const [redirector, near, far] = [await startOrigin(), await startOrigin(), await startOrigin()];
    const BASE = "/tumbleweed/repo/oss/";
    for (const mirror of [near, far]) mirror.serve("/pub/", folderHandler("/pub/", oss));
    let mirror = near;
    redirector.serve(`${BASE}repodata/`, folderHandler(BASE, oss));
    redirector.serve(`${BASE}noarch/`, (request, response) => {
      const path = request.url?.slice(BASE.length);
      response.writeHead(302, { Location: `${mirror.url}/pub/${path}` }).end();
    });
    const install = async (machine: string) => {
      const options = { folder: join(folder, machine), proxy: larder.url, caFile };
      const dnf = await Dnf.create({ ...options, repository: { baseurl: redirector.url + BASE } });
      expect(await dnf.install(...PACKAGES)).toEqual(published);
    };
    await install("one");
    expect(bodyBytes(near.takeRequests(), RPM)).toBeGreaterThan(0);
    mirror = far;
    await install("other");
    expect(far.takeRequests()).toEqual([]);
    await Promise.all([redirector.stop(), near.stop(), far.stop()]);
    await install("third");
  },
);
