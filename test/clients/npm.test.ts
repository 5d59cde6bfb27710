import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes } from "../support/origin.ts";
import { mustRun } from "../support/programs.ts";
import { createNpmPackage, isolatedNpm, publishNpmPackages } from "../support/repositories/npm-registry.ts";

const TARBALL = /\.tgz$/;

const test = base
  .extend("packages", async ({ folder }) => [
    await createNpmPackage(folder, "larder-left"),
    await createNpmPackage(folder, "@larder/right"),
  ])
  .extend("registry", ({ secureOrigin, packages }) => {
    publishNpmPackages(packages, { registry: secureOrigin });
    return secureOrigin;
  })
  /** Installs everything on a machine that has never done so: gives the main file of each package. */
  .extend("install", ({ registry, packages, larder, caFile, folder }) => async (machine: string) => {
    const home = join(folder, machine);
    await mkdir(home);
    await writeFile(join(home, "package.json"), "{}");
    const proxy = ["--proxy", larder.url, "--https-proxy", larder.url, "--cafile", caFile];
    const names = packages.map(({ name }) => name);
    const args = ["install", "--registry", registry.url, ...proxy, ...names];
    await mustRun("npm", args, { cwd: home, env: isolatedNpm(home) });
    return Promise.all(names.map((name) => readFile(join(home, "node_modules", name, "index.js"), "utf8")));
  });

describe("npm install", () => {
  test("gets the right packages, and no body byte of the registry again", async ({ install, packages, registry }) => {
    const published = packages.map(({ main }) => main);
    expect(await install("first")).toEqual(published);
    expect(bodyBytes(registry.takeRequests(), TARBALL)).toBeGreaterThan(0);

    expect(await install("second")).toEqual(published);
    const again = registry.takeRequests();
    expect(again.map(({ path }) => path)).not.toContainEqual(expect.stringMatching(TARBALL));
    expect(bodyBytes(again, /^/)).toBe(0);
  });

  test("works although the registry is down", async ({ install, registry, packages }) => {
    await install("first");
    await registry.stop();
    expect(await install("second")).toEqual(packages.map(({ main }) => main));
  });
});
