import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { AptClient } from "../support/clients/apt-client.ts";
import { Dnf } from "../support/clients/dnf.ts";
import { bytesHandler, folderDigests, folderHandler } from "../support/files.ts";
import { test } from "../support/fixtures.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import { mustRun } from "../support/programs.ts";
import { createAptRepository } from "../support/repositories/apt-repository.ts";
import { createNpmPackage, isolatedNpm, publishNpmPackages } from "../support/repositories/npm-registry.ts";
import { createPythonIndex } from "../support/repositories/python-index.ts";
import { RpmRepository } from "../support/repositories/rpm-repository.ts";

const DISTRIBUTION = /\.(whl|tar\.gz)$/;

/** Where a client without a CA, and without a proxy, finds what an https origin has. */
const mirrorOf = (larder: { readonly url: string }, origin: Origin) =>
  `${larder.url}/https/${new URL(origin.url).host}`;

describe("by mirror URLs, without a CA", () => {
  test("pip follows an index whose files lie at another host", async ({
    larder,
    folder,
    startOrigin,
    authority,
    secureOrigin,
  }) => {
    const index = await createPythonIndex(folder, { wheels: ["larder_wheel"], sdists: ["larder_sdist"] });
    const files = await startOrigin({ tls: authority.certificate("good"), name: "localhost" });
    files.serve("/packages/", folderHandler("/packages/", join(index, "packages")));
    for (const name of ["larder-wheel", "larder-sdist"]) {
      const page = await readFile(join(index, "simple", name, "index.html"), "utf8");
      const away = page.replaceAll("../../packages/", `${files.url}/packages/`);
      secureOrigin.serve(`/simple/${name}/`, bytesHandler(Buffer.from(away), { "Content-Type": "text/html" }));
    }
    const published = await folderDigests(join(index, "packages"), DISTRIBUTION);
    for (const machine of ["first", "second"]) {
      const home = join(folder, machine);
      await mkdir(home);
      const from = ["--index-url", `${mirrorOf(larder, secureOrigin)}/simple/`];
      const args = ["download", "--isolated", "--no-deps", "--no-cache-dir", "--dest", home, ...from];
      await mustRun("pip3", [...args, "larder_wheel", "larder_sdist"], {
        cwd: home,
        env: { PIP_CONFIG_FILE: "/dev/null" },
      });
      expect(await folderDigests(home, DISTRIBUTION)).toEqual(published);
      expect(bodyBytes(files.takeRequests(), DISTRIBUTION) > 0).toBe(machine === "first");
    }
  });

  test("npm follows packuments whose tarballs are named by their own registry", async ({
    larder,
    folder,
    secureOrigin,
  }) => {
    const packages = [await createNpmPackage(folder, "larder-left"), await createNpmPackage(folder, "@larder/right")];
    publishNpmPackages(packages, { registry: secureOrigin });
    for (const machine of ["first", "second"]) {
      const home = join(folder, machine);
      await mkdir(home);
      await writeFile(join(home, "package.json"), "{}");
      const names = packages.map(({ name }) => name);
      const args = ["install", "--registry", mirrorOf(larder, secureOrigin), ...names];
      await mustRun("npm", args, { cwd: home, env: isolatedNpm(home) });
      const installed = names.map((name) => readFile(join(home, "node_modules", name, "index.js"), "utf8"));
      expect(await Promise.all(installed)).toEqual(packages.map(({ main }) => main));
      expect(bodyBytes(secureOrigin.takeRequests(), /\.tgz$/) > 0).toBe(machine === "first");
    }
  });

  test("apt-get updates and downloads", async ({ larder, folder, secureOrigin }) => {
    const repository = await createAptRepository(folder, ["larder-first"]);
    secureOrigin.serve("/debian/", folderHandler("/debian/", repository.folder));
    const published = await folderDigests(join(repository.folder, "pool"), /\.deb$/);
    for (const machine of ["first", "second"]) {
      const urls = [`${mirrorOf(larder, secureOrigin)}/debian`];
      const apt = await AptClient.create({ folder: join(folder, machine), repository, urls });
      expect(await apt.update()).toMatchObject({ code: 0 });
      expect(await apt.download(["larder-first"])).toMatchObject({ code: 0 });
      expect(await apt.packages()).toEqual(published);
    }
  });

  test("dnf installs, by a list of mirrors that names the origin itself", async ({
    larder,
    folder,
    secureOrigin,
    caFile,
  }) => {
    const repository = await RpmRepository.create(join(folder, "rpm"), ["larder-first"], { packing: "gz" });
    secureOrigin.serve("/os/", folderHandler("/os/", repository.folder));
    const list = Buffer.from(`${secureOrigin.url}/os/\n`);
    secureOrigin.serve("/mirrorlist", bytesHandler(list, { "Content-Type": "text/plain" }));
    const published = await folderDigests(repository.packages, /\.rpm$/);
    for (const machine of ["first", "second"]) {
      const mirrorlist = `${mirrorOf(larder, secureOrigin)}/mirrorlist`;
      // The file of roots is larder's CA: were dnf led away to the origin itself, it would not trust that.
      const dnf = await Dnf.create({ folder: join(folder, machine), proxy: "", caFile, repository: { mirrorlist } });
      expect(await dnf.install("larder-first")).toEqual(published);
      expect(bodyBytes(secureOrigin.takeRequests(), /\.rpm$/) > 0).toBe(machine === "first");
    }
  });
});
