import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { AptClient } from "../support/clients/apt-client.ts";
import { folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import { mustRun } from "../support/programs.ts";
import { createAptRepository } from "../support/repositories/apt-repository.ts";
import { NixMachine, NixStore } from "../support/repositories/nix-cache.ts";
import { createNpmPackage, isolatedNpm, publishNpmPackages } from "../support/repositories/npm-registry.ts";
import { createPythonIndex } from "../support/repositories/python-index.ts";

const DEBS = ["larder-first"];
const WHEELS = ["larder_wheel"];

/** What comes through, by the larder that is to fetch it on a machine of that name that has never had anything. */
type Take = (larder: Larder, machine: string) => Promise<unknown>;

/** `test` with origins of four kinds, and a build that takes something of each. */
const test = base
  .extend("access", ({ folder }) => async ({ url, port }: Larder) => {
    const caFile = join(folder, `ca-${port}.pem`);
    await writeFile(caFile, await (await fetch(`${url}/ca.pem`)).text());
    return { proxy: url, caFile };
  })
  .extend(
    "secureServer",
    ({ startOrigin, authority }) =>
      () =>
        startOrigin({ tls: authority.certificate("good"), name: "localhost" }),
  )
  .extend("debian", async ({ folder, startOrigin, access }) => {
    const repository = await createAptRepository(folder, DEBS);
    const origin = await startOrigin();
    origin.serve("/debian/", folderHandler("/debian/", repository.folder));
    const take: Take = async (larder, machine) => {
      const options = { folder: join(folder, machine, "apt"), repository, urls: [`${origin.url}/debian`] };
      const apt = await AptClient.create({ ...options, access: await access(larder) });
      expect([await apt.update(), await apt.download(DEBS)]).toMatchObject([{ code: 0 }, { code: 0 }]);
      return apt.packages();
    };
    return { origin, take };
  })
  .extend("pypi", async ({ folder, secureServer, access }) => {
    const index = await createPythonIndex(folder, { wheels: WHEELS, sdists: [] });
    const origin = await secureServer();
    origin.serve("/", folderHandler("/", index));
    const take: Take = async (larder, machine) => {
      const home = join(folder, machine, "pip");
      await mkdir(home);
      const { proxy, caFile } = await access(larder);
      const way = ["--index-url", `${origin.url}/simple/`, "--proxy", proxy, "--cert", caFile];
      const args = ["download", "--isolated", "--no-deps", "--no-cache-dir", "--dest", home, ...way, ...WHEELS];
      await mustRun("pip3", args, { cwd: home, env: { PIP_CONFIG_FILE: "/dev/null" } });
      return folderDigests(home, /\.whl$/);
    };
    return { origin, take };
  })
  .extend("npm", async ({ folder, secureServer, access }) => {
    const registry = await secureServer();
    const made = await createNpmPackage(folder, "larder-left");
    publishNpmPackages([made], { registry });
    const take: Take = async (larder, machine) => {
      const home = join(folder, machine, "npm");
      await mkdir(home);
      await writeFile(join(home, "package.json"), "{}");
      const { proxy, caFile } = await access(larder);
      const way = ["--registry", registry.url, "--proxy", proxy, "--https-proxy", proxy, "--cafile", caFile];
      await mustRun("npm", ["install", ...way, made.name], { cwd: home, env: isolatedNpm(home) });
      return readFile(join(home, "node_modules", made.name, "index.js"), "utf8");
    };
    return { origin: registry, take };
  })
  .extend("nix", async ({ folder, secureServer, access }) => {
    const store = await NixStore.create(folder);
    const origin = await secureServer();
    origin.serve("/", folderHandler("/", await store.publish("cache", "xz")));
    const take: Take = async (larder, machine) => {
      const home = join(folder, machine, "nix");
      const to = await NixMachine.create({ home, ...(await access(larder)), publicKey: store.publicKey });
      expect(await to.copy(origin.url, store.path, store.referring)).toMatchObject({ code: 0 });
      return digestOf(await to.read(store.path));
    };
    return { origin, take };
  });

test("a store that was carried elsewhere gives apt, pip, npm and Nix what they took where it was filled, although every origin has gone", async ({
  folder,
  startLarder,
  debian,
  pypi,
  npm,
  nix,
}) => {
  const sources = [debian, pypi, npm, nix];
  const build = async (larder: Larder, machine: string): Promise<readonly unknown[]> => {
    await mkdir(join(folder, machine));
    return Promise.all(sources.map(({ take }) => take(larder, machine)));
  };
  const filling = await startLarder();
  const taken = await build(filling, "filling");
  await filling.stop();
  for (const { origin } of sources) await origin.stop();

  const elsewhere = join(folder, "elsewhere");
  const from = join(filling.folder, "cache/larder");
  await cp(from, join(elsewhere, "cache/larder"), { recursive: true, preserveTimestamps: true });
  expect(await build(await startLarder({ folder: elsewhere }), "replaying")).toEqual(taken);
});
