import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { get } from "../support/client.ts";
import { spoiled } from "../support/faults.ts";
import { bytesHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import { runProgram } from "../support/programs.ts";
import {
  createNpmPackage,
  isolatedNpm,
  type NpmPackage,
  type NpmPublishing,
  publishNpmPackages,
  tarballPath,
} from "../support/repositories/npm-registry.ts";

const [LEFT, RIGHT] = ["larder-left", "@larder/right"] as const;
const TARBALL = /\.tgz$/;
const PACKUMENT = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";

const test = base
  .extend("packages", { scope: "file" }, async ({ sharedFolder }) => [
    await createNpmPackage(sharedFolder, LEFT),
    await createNpmPackage(sharedFolder, RIGHT),
  ])
  .extend("published", ({ packages }) => packages.map(({ main }) => digestOf(main)))
  .extend("startRegistry", ({ startOrigin, authority, packages }) => {
    return async (publishing: Partial<NpmPublishing> = {}) => {
      const tls = authority.certificate("good");
      const registry = await startOrigin({ tls, name: "localhost" });
      publishNpmPackages(packages, { registry, ...publishing });
      return registry;
    };
  })
  .extend("larder", ({ startLarder }) => startLarder({ flags: ["--delegate", "localhost"] }))
  .extend("through", async ({ larder, caFile }) => ({ port: larder.port, ca: await readFile(caFile, "utf8") }))
  /** Has npm carry out a command on a machine that has never done so; with the lock of another where one is given. */
  .extend("npm", ({ packages, larder, caFile, folder }) => {
    let machines = 0;
    return async (command: "install" | "ci", registry: Origin, lockedBy?: string) => {
      machines += 1;
      const home = join(folder, `machine-${machines}`);
      await mkdir(home);
      const dependencies = Object.fromEntries(packages.map(({ name, version }) => [name, version]));
      await writeFile(join(home, "package.json"), JSON.stringify({ name: "machine", version: "1.0.0", dependencies }));
      if (lockedBy !== undefined)
        await writeFile(join(home, "package-lock.json"), await readFile(join(lockedBy, "package-lock.json")));
      const proxy = ["--proxy", larder.url, "--https-proxy", larder.url, "--cafile", caFile];
      // Lets a lock that was made with one registry be used with another.
      const isElsewhere = lockedBy === undefined ? [] : ["--replace-registry-host", "always"];
      const args = [command, "--registry", registry.url, ...isElsewhere, ...proxy];
      const { code, stderr } = await runProgram("npm", args, { cwd: home, env: isolatedNpm(home) });
      const files = code === 0 ? packages.map(({ name }) => join(home, "node_modules", name, "index.js")) : [];
      return {
        home,
        code,
        stderr,
        mains: await Promise.all(files.map(async (file) => digestOf(await readFile(file)))),
      };
    };
  });

describe("npm", () => {
  test("install gets each tarball from the network once, whichever registry names it, and all of it when none is there", async ({
    startRegistry,
    npm,
    published,
  }) => {
    const [one, other] = [await startRegistry(), await startRegistry()];
    expect(await npm("install", one)).toMatchObject({ code: 0, mains: published });
    expect(bodyBytes(one.takeRequests(), TARBALL)).toBeGreaterThan(0);
    expect(await npm("install", one)).toMatchObject({ code: 0, mains: published });
    expect(await npm("install", other)).toMatchObject({ code: 0, mains: published });
    expect([...one.takeRequests(), ...other.takeRequests()].filter(({ path }) => TARBALL.test(path))).toEqual([]);
    for (const registry of [one, other]) await registry.stop();
    for (const registry of [one, other])
      expect(await npm("install", registry)).toMatchObject({ code: 0, mains: published });
  });

  test("ci, by a lock from another registry, gets what that one has given", async ({
    startRegistry,
    npm,
    published,
  }) => {
    const [one, other] = [await startRegistry(), await startRegistry()];
    const { home } = await npm("install", one);
    one.takeRequests();
    for (const registry of [one, other]) expect(await npm("ci", registry, home)).toMatchObject({ mains: published });
    expect([...one.takeRequests(), ...other.takeRequests()].filter(({ path }) => TARBALL.test(path))).toEqual([]);
    for (const registry of [one, other]) await registry.stop();
    for (const registry of [one, other]) expect(await npm("ci", registry, home)).toMatchObject({ mains: published });
  });

  test("install fails by a tarball that is not what its registry says, and gets it when another has it right", async ({
    startRegistry,
    npm,
    packages,
    published,
    larder,
    through,
  }) => {
    const [bad, good] = [await startRegistry(), await startRegistry()];
    bad.serve(tarballPath(LEFT, "1.0.0"), bytesHandler(spoiled(packages[0]?.tarball as Buffer)));
    expect(await npm("install", bad)).toMatchObject({ code: 1 });
    expect(await larder.stored(`${LEFT}-1.0.0.tgz`)).toEqual([]);
    await get(through, `${good.url}/${LEFT}`, { Accept: PACKUMENT });
    expect(await npm("install", bad)).toMatchObject({ code: 0, mains: published });
    expect(bodyBytes(good.takeRequests(), TARBALL)).toBe(packages[0]?.tarball.length);
  });
});

test("npm ci, which asks for no packument, is held to its lock: nothing else is stored, and another try gets what is right", async ({
  startRegistry,
  npm,
  packages,
  published,
  larder,
  folder,
}) => {
  const registry = await startRegistry();
  const lock = join(folder, "lock");
  await mkdir(lock);
  await writeFile(join(lock, "package-lock.json"), JSON.stringify(lockOf(packages, registry)));
  const path = tarballPath(LEFT, "1.0.0");
  const tarball = packages[0]?.tarball as Buffer;
  registry.serve(path, bytesHandler(spoiled(tarball)));
  expect(await npm("ci", registry, lock)).toMatchObject({ code: 1 });
  expect(await larder.stored(`${LEFT}-1.0.0.tgz`)).toEqual([]);

  const repaired = await startRegistry();
  expect(await npm("ci", repaired, lock)).toMatchObject({ code: 0, mains: published });
});

/** What `npm install` would have written. */
function lockOf(packages: readonly NpmPackage[], registry: Origin): object {
  const dependencies = Object.fromEntries(packages.map(({ name, version }) => [name, version]));
  const locked = packages.map(({ name, version, tarball }) => {
    const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
    return [
      `node_modules/${name}`,
      { version, resolved: registry.url + tarballPath(name, version), integrity },
    ] as const;
  });
  const root = { name: "machine", version: "1.0.0", dependencies };
  return { ...root, lockfileVersion: 3, packages: { "": root, ...Object.fromEntries(locked) } };
}

test("a packument is asked for again by its ETag, and does not come again", async ({
  startLarder,
  startOrigin,
  packages,
}) => {
  const larder = await startLarder({ flags: ["--root-fresh-for", "0"] });
  const registry = await startOrigin();
  publishNpmPackages(packages, { registry });
  for (const _ of ["cold", "warm"])
    expect(await get(larder, `${registry.url}/${LEFT}`, { Accept: PACKUMENT })).toMatchObject({ status: 200 });
  expect(registry.takeRequests()).toMatchObject([
    { status: 200 },
    { status: 304, bodyBytes: 0, headers: { "if-none-match": expect.any(String) } },
  ]);
});

describe("a tarball", () => {
  test("of a scoped package is declared by the packument that is asked for as @scope%2fname", async ({
    startRegistry,
    through,
    larder,
  }) => {
    const registry = await startRegistry();
    expect(await get(through, `${registry.url}/@larder%2fright`, { Accept: PACKUMENT })).toMatchObject({ status: 200 });
    const why = await larder.command("why", "--json", registry.url + tarballPath(RIGHT, "1.0.0"));
    expect(JSON.parse(why.stdout.toString())).toMatchObject({ declaration: { algorithm: "sha512", kind: "payload" } });
  });

  test("that only a sha1 is told of is a hit for who asks the same registry, and for nobody else", async ({
    startRegistry,
    through,
  }) => {
    for (const registry of [
      await startRegistry({ hasOnlyShasum: true }),
      await startRegistry({ hasOnlyShasum: true }),
    ]) {
      await get(through, `${registry.url}/${LEFT}`, { Accept: PACKUMENT });
      for (const _ of ["cold", "warm"]) await get(through, registry.url + tarballPath(LEFT, "1.0.0"));
      expect(registry.takeRequests().filter(({ path }) => TARBALL.test(path))).toHaveLength(1);
    }
  });

  test("that only a sha1 is told of is checked by that", async ({ startRegistry, through, packages }) => {
    const registry = await startRegistry({ hasOnlyShasum: true });
    await get(through, `${registry.url}/${LEFT}`, { Accept: PACKUMENT });
    const url = registry.url + tarballPath(LEFT, "1.0.0");
    const tarball = packages[0]?.tarball as Buffer;
    registry.serve(tarballPath(LEFT, "1.0.0"), bytesHandler(spoiled(tarball)));
    expect((await get(through, url)).isWhole).toBe(false);
  });

  test("may lie at another host, along a delegation", async ({
    startRegistry,
    startOrigin,
    authority,
    npm,
    published,
  }) => {
    const files = await startOrigin({ tls: authority.certificate("good"), name: "localhost" });
    const registry = await startRegistry({ files });
    expect(await npm("install", registry)).toMatchObject({ code: 0, mains: published });
  });
});
