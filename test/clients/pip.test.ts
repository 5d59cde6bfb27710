import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes } from "../support/origin.ts";
import { mustRun } from "../support/programs.ts";
import { createPythonIndex } from "../support/repositories/python-index.ts";

const WHEELS = ["larder_wheel"];
const SDISTS = ["larder_sdist"];
const DISTRIBUTION = /\.(whl|tar\.gz)$/;
const FOREVER = { "Cache-Control": "max-age=365000000, immutable, public" };

/** How pip is called beside the usual, with the dependencies of what it downloads, and what it says then. */
interface Special {
  readonly args: readonly string[];
  readonly says: string;
}

const test = base
  .extend("index", ({ folder }) => createPythonIndex(folder, { wheels: WHEELS, sdists: SDISTS }))
  .extend("pypi", ({ secureOrigin, index }) => {
    secureOrigin.serve(
      "/simple/",
      folderHandler("/simple/", join(index, "simple"), () => ({ Vary: "Accept" })),
    );
    secureOrigin.serve(
      "/packages/",
      folderHandler("/packages/", join(index, "packages"), () => FOREVER),
    );
    return secureOrigin;
  })
  /** Downloads everything on a machine that has never done so: gives their digests by file name. */
  .extend("download", ({ pypi, larder, caFile, folder }) => async (machine: string, special?: Special) => {
    const home = join(folder, machine);
    await mkdir(home);
    const { args: more = [], says = "" } = special ?? {};
    const from = ["--index-url", `${pypi.url}/simple/`, "--proxy", larder.url, "--cert", caFile, ...more];
    const noDeps = special === undefined ? ["--no-deps"] : [];
    const args = ["download", "--isolated", ...noDeps, "--no-cache-dir", "--dest", home, ...from];
    const env = { PIP_CONFIG_FILE: "/dev/null" };
    const said = await mustRun("pip3", [...args, ...WHEELS, ...SDISTS], { cwd: home, env });
    expect(said.toString()).toContain(says);
    return folderDigests(home, DISTRIBUTION);
  });

describe("pip download", () => {
  test("gets the right wheel and sdist, and no body byte of the index again", async ({ download, pypi, index }) => {
    const published = await folderDigests(join(index, "packages"), DISTRIBUTION);
    expect(await download("first")).toEqual(published);
    expect(bodyBytes(pypi.takeRequests(), DISTRIBUTION)).toBeGreaterThan(0);

    expect(await download("second")).toEqual(published);
    const again = pypi.takeRequests();
    expect(again.map(({ path }) => path)).not.toContainEqual(expect.stringMatching(DISTRIBUTION));
    expect(bodyBytes(again, /^/)).toBe(0);
  });

  test("reads a wheel's metadata by parts of it, with --use-feature=fast-deps: cold, warm, and with the index down", async ({
    download,
    pypi,
    index,
  }) => {
    const published = await folderDigests(join(index, "packages"), DISTRIBUTION);
    const lazily = { args: ["--use-feature=fast-deps"], says: "Obtaining dependency information from larder-wheel" };
    const asked = () => pypi.takeRequests().filter(({ path }) => path.endsWith(".whl"));
    expect(await download("cold", lazily)).toEqual(published);
    expect(asked().filter(({ method }) => method === "GET")).toMatchObject([{ status: 200 }]);
    expect(await download("warm", lazily)).toEqual(published);
    expect(asked()).toEqual([]);
    await pypi.stop();
    expect(await download("alone", lazily)).toEqual(published);
  });

  test("works although the index is down", async ({ download, pypi }) => {
    const first = await download("first");
    await pypi.stop();
    expect(await download("second")).toEqual(first);
  });
});
