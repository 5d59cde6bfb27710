import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { Receipt } from "../../storage/store.ts";
import { createAptClient } from "../support/clients/apt-client.ts";
import { folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { runLarder } from "../support/larder.ts";
import { ParentProxy } from "../support/networks/parent-proxy.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import { createAptRepository } from "../support/repositories/apt-repository.ts";
import { createNpmPackage, isolatedNpm, publishNpmPackages } from "../support/repositories/npm-registry.ts";
import { createPythonIndex } from "../support/repositories/python-index.ts";

const PAYLOAD = /\.(deb|whl|tar\.gz|tgz)$/;
const RECEIPT_LINE = /\d+ payloads?, \d+ hits?, .+ from origins, .+ saved, [\d.]+ s$/m;

const test = base
  /** The only way out: it knows the origins by names that no_proxy does not hold. */
  .extend("parent", async ({ prefix: _ }, { onCleanup }) => {
    const parent = await ParentProxy.start();
    onCleanup(() => parent.stop());
    return parent;
  })
  /** What larder is started with, by `serve` and by `run`. */
  .extend("surroundings", async ({ folder, parent, authority }) => ({
    folder,
    originCa: authority.caFile,
    env: { http_proxy: parent.url, https_proxy: parent.url, LARDER_ORIGIN_CA: authority.caFile },
  }))
  /** Runs a command by `larder run` in a new working directory. */
  .extend("larderRun", ({ surroundings, folder }) => async (machine: string, command: readonly string[]) => {
    const home = join(folder, machine);
    await mkdir(home, { recursive: true });
    await writeFile(join(home, "package.json"), "{}");
    const receiptFile = join(home, "receipt.json");
    const isolated = { HOME: home, PIP_CONFIG_FILE: "/dev/null", PIP_NO_CACHE_DIR: "1", ...isolatedNpm(home) };
    const outcome = await runLarder(
      ["run", "--receipt", receiptFile, "--", "sh", "-c", `cd ${machine} && "$@"`, "sh", ...command],
      {
        folder,
        env: { ...surroundings.env, ...isolated },
      },
    );
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(outcome.stderr).toMatch(RECEIPT_LINE);
    return { home, receipt: JSON.parse(await readFile(receiptFile, "utf8")) as Receipt };
  });

const withPypi = test
  .extend("index", ({ folder }) => createPythonIndex(folder, { wheels: ["larder_wheel"], sdists: ["larder_sdist"] }))
  .extend("pypi", ({ secureOrigin, index }) => {
    secureOrigin.serve("/", folderHandler("/", index));
    return secureOrigin;
  })
  .extend("download", ({ parent, pypi }) => {
    const url = `${parent.publish("pypi", pypi)}/simple/`;
    return ["pip3", "download", "--no-deps", "--index-url", url, "larder_wheel", "larder_sdist"];
  });

const withNpm = test
  .extend("packages", async ({ folder }) => [
    await createNpmPackage(folder, "larder-left"),
    await createNpmPackage(folder, "@larder/right"),
  ])
  .extend("install", ({ parent, secureOrigin, packages }) => {
    const url = parent.publish("npm", secureOrigin);
    publishNpmPackages(packages, { registry: secureOrigin, filesUrl: url });
    return ["npm", "install", "--registry", url, ...packages.map(({ name }) => name)];
  });

const APT_PACKAGE = "larder-deb";

const withApt = test
  .extend("repository", ({ folder }) => createAptRepository(folder, [APT_PACKAGE]))
  .extend("debian", ({ secureOrigin, repository }) => {
    secureOrigin.serve("/debian/", folderHandler("/debian/", repository.folder));
    return secureOrigin;
  })
  /** The apt of one machine, which keeps to its own folder and is told the way out by larder alone. */
  .extend("installOn", ({ parent, debian, repository, folder }) => async (machine: string) => {
    const url = `${parent.publish("debian", debian)}/debian`;
    const config = await createAptClient({ folder: join(folder, machine), repository, urls: [url] });
    const both = `cat "$APT_CONFIG" >> ${config} && export APT_CONFIG=${config}`;
    return [
      "sh",
      "-c",
      `${both} && apt-get update --error-on=any && apt-get install --download-only -y ${APT_PACKAGE}`,
    ];
  });

describe("larder run", () => {
  withPypi(
    "-- pip download, twice: the second time every payload is a hit",
    async ({ larderRun, download, index, pypi }) => {
      const published = await folderDigests(join(index, "packages"), PAYLOAD);

      const first = await larderRun("first", download);
      expect(await folderDigests(first.home, PAYLOAD)).toEqual(published);
      expect(first.receipt).toMatchObject({ payloads: 2, hits: 0 });
      expect(first.receipt.originBytes).toBe(sentBy(pypi));

      const second = await larderRun("second", download);
      expect(await folderDigests(second.home, PAYLOAD)).toEqual(published);
      expect(second.receipt).toMatchObject({ payloads: 2, hits: 2, originBytes: 0, savedBytes: second.receipt.bytes });
      expect(sentBy(pypi)).toBe(0);
    },
  );

  withNpm(
    "-- npm install, twice: the second time every payload is a hit",
    async ({ larderRun, install, packages, secureOrigin }) => {
      const read = (home: string) =>
        Promise.all(packages.map(({ name }) => readFile(join(home, "node_modules", name, "index.js"), "utf8")));
      const published = packages.map(({ main }) => main);

      const first = await larderRun("first", install);
      expect(await read(first.home)).toEqual(published);
      expect(first.receipt).toMatchObject({ payloads: 2, hits: 0 });
      expect(first.receipt.originBytes).toBe(sentBy(secureOrigin));

      const second = await larderRun("second", install);
      expect(await read(second.home)).toEqual(published);
      expect(second.receipt).toMatchObject({ payloads: 2, hits: 2, originBytes: 0 });
      expect(sentBy(secureOrigin)).toBe(0);
    },
  );

  withApt(
    "-- apt-get install, twice: the second time the payload is a hit",
    async ({ larderRun, installOn, repository, debian }) => {
      const published = await folderDigests(join(repository.folder, "pool"), PAYLOAD);

      const first = await larderRun("first", await installOn("first"));
      expect(await folderDigests(join(first.home, "cache/archives"), PAYLOAD)).toEqual(published);
      expect(first.receipt).toMatchObject({ payloads: 1, hits: 0, originBytes: sentBy(debian) });

      const second = await larderRun("second", await installOn("second"));
      expect(await folderDigests(join(second.home, "cache/archives"), PAYLOAD)).toEqual(published);
      expect(second.receipt).toMatchObject({ payloads: 1, hits: 1, originBytes: 0 });
      expect(sentBy(debian)).toBe(0);
    },
  );

  withPypi(
    "goes through the larder that serves the store",
    async ({ larderRun, download, pypi, startLarder, surroundings }) => {
      const larder = await startLarder(surroundings);
      expect((await larderRun("first", download)).receipt).toMatchObject({ payloads: 2, hits: 0 });
      expect((await larderRun("second", download)).receipt).toMatchObject({ payloads: 2, hits: 2 });
      expect(bodyBytes(pypi.takeRequests(), PAYLOAD)).toBeGreaterThan(0);
      expect(larder.isRunning).toBe(true);
    },
  );

  test("gives back the exit code of the command", async ({ surroundings }) => {
    const outcome = await runLarder(["run", "--", "sh", "-c", "exit 7"], surroundings);
    expect(outcome).toMatchObject({ code: 7, signal: null });
  });
});

/** Every body byte that the origin has sent since it was last asked. */
function sentBy(origin: Origin): number {
  return bodyBytes(origin.takeRequests(), /^/);
}
