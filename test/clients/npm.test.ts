import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import { createNpmPackage, isolatedNpm, type NpmPackage, serveNpmPackages } from "../support/npm-registry.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import { mustRun } from "../support/programs.ts";

const TARBALL = /\.tgz$/;

const test = base
  .extend("packages", async ({ folder }) => [
    await createNpmPackage(folder, "larder-left"),
    await createNpmPackage(folder, "@larder/right"),
  ])
  .extend("registry", ({ secureOrigin, packages }) => {
    serveNpmPackages(secureOrigin, secureOrigin.url, packages);
    return secureOrigin;
  });

describe("npm install", { timeout: 120_000 }, () => {
  test("gets the right packages, scoped ones too, and not a body byte of the registry again", async (context) => {
    expect(await install("first", context)).toEqual(context.packages.map(({ main }) => main));
    expect(bodyBytes(context.registry.takeRequests(), TARBALL)).toBeGreaterThan(0);

    expect(await install("second", context)).toEqual(context.packages.map(({ main }) => main));
    const again = context.registry.takeRequests();
    expect(again.map(({ path }) => path)).not.toContainEqual(expect.stringMatching(TARBALL));
    expect(bodyBytes(again, /^/)).toBe(0);
  });

  test("works although the registry is down", async (context) => {
    await install("first", context);
    await context.registry.stop();
    expect(await install("second", context)).toEqual(context.packages.map(({ main }) => main));
  });
});

interface Setting {
  readonly folder: string;
  readonly packages: readonly NpmPackage[];
  readonly registry: Origin;
  readonly larder: Larder;
  readonly caFile: string;
}

/** Installs everything on a machine that has never done so. @returns the main file of each package. */
async function install(machine: string, { folder, packages, registry, larder, caFile }: Setting): Promise<string[]> {
  const home = join(folder, machine);
  await mkdir(home);
  await writeFile(join(home, "package.json"), "{}");
  const through = ["--registry", registry.url, "--proxy", larder.url, "--https-proxy", larder.url, "--cafile", caFile];
  const names = packages.map(({ name }) => name);
  await mustRun("npm", ["install", ...through, ...names], { cwd: home, env: isolatedNpm(home) });
  return Promise.all(names.map((name) => readFile(join(home, "node_modules", name, "index.js"), "utf8")));
}
