import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type AptRepository, createAptClient, createAptRepository } from "../support/apt-repository.ts";
import { folderHandler, readFolder } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import { mustRun } from "../support/programs.ts";

const PACKAGES = ["larder-first", "larder-second"];
const DEB = /\.deb$/;
const EVERYTHING = /^/;

const test = base.extend("repository", ({ folder }) => createAptRepository(folder, PACKAGES));

describe.for(["http", "https"] as const)("apt-get over %s", { timeout: 120_000 }, (scheme) => {
  const withDebian = test.extend("debian", ({ origin, secureOrigin, repository }) => {
    const debian = scheme === "http" ? origin : secureOrigin;
    debian.serve("/debian/", folderHandler("/debian/", repository.folder));
    return debian;
  });

  withDebian("gets the right packages, and not a body byte of the origin the second time", async (context) => {
    const published = await readFolder(join(context.repository.folder, "pool"), DEB);
    expect(await download("first", context)).toEqual(published);
    expect(bodyBytes(context.debian.takeRequests(), DEB)).toBeGreaterThan(0);

    expect(await download("second", context)).toEqual(published);
    expect(bodyBytes(context.debian.takeRequests(), EVERYTHING)).toBe(0);
  });

  withDebian("updates and installs although the origin is down", async (context) => {
    const first = await download("first", context);
    await context.debian.stop();
    expect(await download("second", context)).toEqual(first);
  });
});

test("apt's own user _apt can read the bundle that larder names", async ({ larder, folder, caFile }) => {
  const variables = (await larder.command("proxy-env")).stdout.toString();
  const bundle = /^SSL_CERT_FILE='?([^'\n]+)/m.exec(variables)?.[1] ?? "no bundle named";
  const asApt = ["--reuid=_apt", "--regid=nogroup", "--clear-groups", "cat", bundle];
  const seen = await mustRun("setpriv", asApt, { cwd: folder });
  expect(seen.toString()).toContain(await readFile(caFile, "utf8"));
});

interface Setting {
  readonly folder: string;
  readonly repository: AptRepository;
  readonly debian: Origin;
  readonly larder: Larder;
  readonly caFile: string;
}

/** Updates and downloads every package on a machine that has never done so. @returns the packages by file name. */
async function download(machine: string, { folder, repository, debian, larder, caFile }: Setting) {
  const home = join(folder, machine);
  await mkdir(home);
  const url = `${debian.url}/debian`;
  const env = await createAptClient({ folder: home, repository, url, proxy: larder.url, caFile });
  await mustRun("apt-get", ["update", "--error-on=any"], { cwd: home, env });
  await mustRun("apt-get", ["install", "--download-only", "--yes", ...PACKAGES], { cwd: home, env });
  return readFolder(join(home, "cache/archives"), DEB);
}
