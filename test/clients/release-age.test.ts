import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import type { Origin } from "../support/origin.ts";
import { runProgram } from "../support/programs.ts";
import {
  createNpmPackage,
  isolatedNpm,
  publishNpmPackages,
  tarballPath,
} from "../support/repositories/npm-registry.ts";
import { createPythonIndex } from "../support/repositories/python-index.ts";
import { servePythonMirror } from "../support/repositories/python-mirror.ts";

const WHEEL = "/files/larder_wheel-1.0-py3-none-any.whl";
const PAGE = "/simple/larder-wheel/";
const JSON_PAGE = { Accept: "application/vnd.pypi.simple.v1+json" };
const PACKUMENT = { Accept: "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*" };
const OLD = "2020-03-04T10:00:00.000Z";

const test = base
  .extend("now", () => new Date().toISOString())
  .extend("index", { scope: "file" }, ({ sharedFolder }) =>
    createPythonIndex(sharedFolder, { wheels: ["larder_wheel"], sdists: [] }),
  )
  .extend("packages", { scope: "file" }, async ({ sharedFolder }) => [
    await createNpmPackage(sharedFolder, "@larder/right"),
  ])
  .extend("larder", ({ startLarder }) => startLarder({ flags: ["--min-release-age", "7d"] }));

describe("with a minimum age of releases", () => {
  test("a wheel that its page says is younger is refused, by name, age and cure", async ({
    larder,
    origin,
    index,
    now,
  }) => {
    await servePythonMirror({ index, pages: origin, files: origin, uploadTime: now });
    await get(larder, origin.url + PAGE, JSON_PAGE);
    const refused = await get(larder, origin.url + WHEEL);
    expect(refused).toMatchObject({ status: 403 });
    expect(refused.body.toString()).toMatch(
      /RELEASE_TOO_YOUNG: larder-wheel 1\.0 was published 0 hours ago .* younger than 7 days .*--min-release-age-allow larder-wheel/,
    );
    expect(await larder.stored(".whl")).toEqual([]);
  });

  test("a wheel that is older passes, and so does one whose page does not tell", async ({
    larder,
    startOrigin,
    index,
    now,
  }) => {
    const [old, silent] = [await startOrigin(), await startOrigin()];
    await servePythonMirror({ index, pages: old, files: old, uploadTime: OLD });
    await servePythonMirror({ index, pages: silent, files: silent, uploadTime: now, forms: ["html"] });
    for (const origin of [old, silent]) {
      await get(larder, origin.url + PAGE, JSON_PAGE);
      expect(await get(larder, origin.url + WHEEL)).toMatchObject({ status: 200 });
    }
  });

  test.extend("larder", ({ startLarder }) =>
    startLarder({ flags: ["--min-release-age", "7d", "--min-release-age-allow", "@larder/*"] }),
  )("a package that is allowed may be of any age", async ({ larder, origin, packages, now }) => {
    publishNpmPackages(packages, { registry: origin, time: now });
    await get(larder, `${origin.url}/@larder%2fright`, PACKUMENT);
    expect(await get(larder, origin.url + tarballPath("@larder/right", "1.0.0"))).toMatchObject({ status: 200 });
  });

  test("a tarball's age is known although its client asks for the packument that does not tell", async ({
    larder,
    origin,
    packages,
    now,
  }) => {
    publishNpmPackages(packages, { registry: origin, time: now });
    await get(larder, `${origin.url}/@larder%2fright`, PACKUMENT);
    expect(origin.takeRequests()).toMatchObject([{ headers: { accept: "application/json" } }]);
    const refused = await get(larder, origin.url + tarballPath("@larder/right", "1.0.0"));
    expect(refused).toMatchObject({ status: 403 });
    expect(refused.body.toString()).toContain("@larder/right 1.0.0 was published");
  });
});

describe("a real client", () => {
  const strict = ["--min-release-age", "7d"];

  /** Has pip download the wheel in a new folder. */
  const download = async (home: string, larder: Larder, pages: Origin) => {
    await mkdir(home);
    const from = ["--index-url", `${pages.url}/simple/`, "--trusted-host", "127.0.0.1", "--proxy", larder.url];
    const args = ["download", "--isolated", "--no-deps", "--no-cache-dir", "--retries", "0", ...from, "larder_wheel"];
    const outcome = await runProgram("pip3", args, { cwd: home, env: { PIP_CONFIG_FILE: "/dev/null" } });
    return { ...outcome, files: await readdir(home) };
  };

  test("pip is refused a wheel of today, and gets it when its name is allowed", async ({
    startLarder,
    larder,
    origin,
    index,
    now,
    folder,
  }) => {
    await servePythonMirror({ index, pages: origin, files: origin, uploadTime: now });
    const refused = await download(join(folder, "refused"), larder, origin);
    expect(refused).toMatchObject({ code: 1, files: [] });
    expect(refused.stderr + refused.stdout.toString()).toContain("403");
    expect(origin.takeRequests().filter(({ path }) => path === WHEEL)).toEqual([]);
    const lenient = await startLarder({ flags: [...strict, "--min-release-age-allow", "larder-wheel"] });
    const allowed = await download(join(folder, "allowed"), lenient, origin);
    expect(allowed).toMatchObject({ code: 0, files: ["larder_wheel-1.0-py3-none-any.whl"] });
  });

  test("pip gets a wheel of any age by an index that is HTML only, and so tells no age", async ({
    larder,
    origin,
    index,
    now,
    folder,
  }) => {
    await servePythonMirror({ index, pages: origin, files: origin, uploadTime: now, forms: ["html"] });
    expect(await download(join(folder, "home"), larder, origin)).toMatchObject({ code: 0 });
  });

  test("npm is refused a package of today, and gets it when its scope is allowed", async ({
    startLarder,
    larder,
    origin,
    packages,
    now,
    folder,
  }) => {
    publishNpmPackages(packages, { registry: origin, time: now });
    const install = async (home: string, through: Larder) => {
      await mkdir(home);
      await writeFile(join(home, "package.json"), JSON.stringify({ name: "machine", version: "1.0.0" }));
      const args = ["install", "@larder/right", "--registry", origin.url, "--proxy", through.url];
      return await runProgram("npm", args, { cwd: home, env: isolatedNpm(home) });
    };
    const refused = await install(join(folder, "refused"), larder);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain("403");
    const lenient = await startLarder({ flags: [...strict, "--min-release-age-allow", "@larder/*"] });
    expect(await install(join(folder, "allowed"), lenient)).toMatchObject({ code: 0 });
  });
});

test("without one, everything passes", async ({ startLarder, origin, index, now }) => {
  const larder = await startLarder();
  await servePythonMirror({ index, pages: origin, files: origin, uploadTime: now });
  await get(larder, origin.url + PAGE, JSON_PAGE);
  const wheel = await readFile(join(index, "packages/larder_wheel-1.0-py3-none-any.whl"));
  expect((await get(larder, origin.url + WHEEL)).body.equals(wheel)).toBe(true);
});
