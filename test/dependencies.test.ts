import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const readJson = async (file: string): Promise<unknown> => JSON.parse(await readFile(resolve(root, file), "utf8"));

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly resolved?: string }>>;
}
interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

/**
 * Versions below these have known faults, or do not run on every Node that larder supports. `npm audit` is not to be had
 * behind every registry mirror; this list is.
 */
const OLDEST_SAFE: Readonly<Record<string, { readonly version: string; readonly reason: string }>> = {
  "node-forge": { version: "1.4.0", reason: "below: CVEs in the verification of signatures" },
  undici: { version: "7.28.0", reason: "earlier 7.x have CVEs" },
  "http-cache-semantics": { version: "4.3.0", reason: "the RFC 9111 of it was read in this version" },
  "http-proxy": { version: "1.18.1", reason: "the last release; its faults are cured in proxy/" },
};

/** Majors that need a newer Node than `engines` promises. */
const FIRST_TOO_NEW: Readonly<Record<string, { readonly version: string; readonly reason: string }>> = {
  "better-sqlite3": { version: "13.0.0", reason: "crashes on Node 20 with only a warning" },
  undici: { version: "8.0.0", reason: "needs Node 22" },
  commander: { version: "15.0.0", reason: "needs Node 22" },
  vitest: { version: "5.0.0", reason: "its coverage package must be of the same version" },
  typescript: { version: "6.1.0", reason: "typescript-eslint cannot read it" },
};

const lockfile = (await readJson("package-lock.json")) as Lockfile;
const manifest = (await readJson("package.json")) as Manifest;

/** Every version of a package in the tree, nested ones too. */
function lockedVersions(name: string): string[] {
  const places = Object.entries(lockfile.packages).filter(([path]) => path.endsWith(`node_modules/${name}`));
  return places.map(([, { version = "" }]) => version);
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(/[.-]/).slice(0, 3).map(Number));
  const differs = [0, 1, 2].find((part) => left?.[part] !== right?.[part]) ?? 0;
  return (left?.[differs] ?? 0) - (right?.[differs] ?? 0);
}

describe("the lockfile", () => {
  test.for(Object.entries(OLDEST_SAFE))("holds no %s older than is safe", ([name, { version, reason }]) => {
    const locked = lockedVersions(name);
    expect(locked, name).not.toEqual([]);
    for (const found of locked)
      expect(compareVersions(found, version), `${found}: ${reason}`).toBeGreaterThanOrEqual(0);
  });

  test.for(Object.entries(FIRST_TOO_NEW))("holds a %s that runs on the oldest supported Node", ([name, limit]) => {
    const locked = lockedVersions(name);
    expect(locked, name).not.toEqual([]);
    for (const found of locked) expect(compareVersions(found, limit.version), limit.reason).toBeLessThan(0);
  });

  test("holds every dependency of package.json, in one version of the native one", () => {
    const named = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(named.filter((name) => lockfile.packages[`node_modules/${name}`] === undefined)).toEqual([]);
    expect(lockedVersions("better-sqlite3")).toHaveLength(1);
  });

  test("names no registry but the public one, so that it installs anywhere", () => {
    const hosts = Object.values(lockfile.packages).flatMap(({ resolved }) =>
      resolved ? [new URL(resolved).host] : [],
    );
    expect([...new Set(hosts)].filter((host) => host !== "registry.npmjs.org")).toEqual([]);
  });

  test("keeps vitest and its coverage package in step", () => {
    expect(manifest.devDependencies["@vitest/coverage-v8"]).toBe(manifest.devDependencies["vitest"]);
  });
});
