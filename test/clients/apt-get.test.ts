import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { createAptClient } from "../support/clients/apt-client.ts";
import { folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes } from "../support/origin.ts";
import { mustRun } from "../support/programs.ts";
import { createAptRepository } from "../support/repositories/apt-repository.ts";

const PACKAGES = ["larder-first", "larder-second"];
const DEB = /\.deb$/;
const EVERYTHING = /^/;

const test = base.extend("repository", ({ folder }) => createAptRepository(folder, PACKAGES));

describe.for(["http", "https"] as const)("apt-get over %s", (scheme) => {
  const withDebian = test
    .extend("debian", ({ origin, secureOrigin, repository }) => {
      const debian = scheme === "http" ? origin : secureOrigin;
      debian.serve("/debian/", folderHandler("/debian/", repository.folder));
      return debian;
    })
    /** Updates and downloads every package on a machine that has never done so: gives their digests by file name. */
    .extend("download", ({ debian, repository, larder, caFile, folder }) => async (machine: string) => {
      const home = join(folder, machine);
      await mkdir(home);
      const url = `${debian.url}/debian`;
      const access = { proxy: larder.url, caFile };
      const env = { APT_CONFIG: await createAptClient({ folder: home, repository, urls: [url], access }) };
      await mustRun("apt-get", ["update", "--error-on=any"], { cwd: home, env });
      await mustRun("apt-get", ["install", "--download-only", "--yes", ...PACKAGES], { cwd: home, env });
      return folderDigests(join(home, "cache/archives"), DEB);
    });

  withDebian(
    "gets the right packages, and no body byte of the origin again",
    async ({ download, debian, repository }) => {
      const published = await folderDigests(join(repository.folder, "pool"), DEB);
      expect(await download("first")).toEqual(published);
      expect(bodyBytes(debian.takeRequests(), DEB)).toBeGreaterThan(0);

      expect(await download("second")).toEqual(published);
      expect(bodyBytes(debian.takeRequests(), EVERYTHING)).toBe(0);
    },
  );

  withDebian("updates and installs although the origin is down", async ({ download, debian }) => {
    const first = await download("first");
    await debian.stop();
    expect(await download("second")).toEqual(first);
  });
});
