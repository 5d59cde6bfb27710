import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { test as base } from "../support/fixtures.ts";
import { createNpmPackage, publishNpmPackages, tarballPath } from "../support/npm-registry.ts";
import { createPythonIndex } from "../support/python-index.ts";
import { servePythonMirror } from "../support/python-mirror.ts";

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

test("without one, everything passes", async ({ startLarder, origin, index, now }) => {
  const larder = await startLarder();
  await servePythonMirror({ index, pages: origin, files: origin, uploadTime: now });
  await get(larder, origin.url + PAGE, JSON_PAGE);
  const wheel = await readFile(join(index, "packages/larder_wheel-1.0-py3-none-any.whl"));
  expect((await get(larder, origin.url + WHEEL)).body.equals(wheel)).toBe(true);
});
