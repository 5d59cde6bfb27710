import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { get } from "../support/client.ts";
import { Dnf } from "../support/clients/dnf.ts";
import { bytesHandler, folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes } from "../support/origin.ts";
import { metalink } from "../support/repositories/metalink.ts";
import { RpmRepository } from "../support/repositories/rpm-repository.ts";

const PACKAGES = ["a", "b", "c", "d", "e", "f"].map((letter) => `larder-${letter}`);
const FIRST = "larder-a-1.0-1.noarch.rpm";
const RPM = /\.rpm$/;
const REPODATA = /\/repodata\//;

const test = base
  .extend("repository", ({ folder }) => RpmRepository.create(join(folder, "rpm"), PACKAGES))
  .extend("published", ({ repository }) => folderDigests(repository.packages, RPM))
  .extend("near", async ({ startOrigin, repository }) => {
    const near = await startOrigin();
    near.serve("/near/os/", folderHandler("/near/os/", repository.folder));
    return near;
  })
  /** Has the packages only: that its repodata is asked for would be seen. */
  .extend("far", async ({ startOrigin, repository }) => {
    const far = await startOrigin();
    far.serve("/far/os/Packages/", folderHandler("/far/os/Packages/", repository.packages));
    return far;
  })
  .extend("bases", ({ near, far }) => [`${near.url}/near/os/`, `${far.url}/far/os/`] as const)
  .extend("larder", ({ startLarder }) => startLarder({ flags: ["--delegate", "localhost"] }))
  .extend("newMachine", ({ larder, caFile, folder }) => {
    let machines = 0;
    return (repository: Readonly<Record<string, string>>) => {
      machines += 1;
      const home = join(folder, `machine-${machines}`);
      return Dnf.create({ folder: home, proxy: larder.url, caFile, repository });
    };
  });

/** What a list of mirrors is, in dnf's configuration and on the wire. */
const LISTS = {
  metalink: (repomd: Buffer, bases: readonly string[]) => metalink(repomd, bases),
  mirrorlist: (_: Buffer, bases: readonly string[]) => Buffer.from(`# mirrors\n${bases.join("\n")}\n`),
} as const;

describe.for(["metalink", "mirrorlist"] as const)("a %s", (kind) => {
  const withList = test.extend("list", async ({ repository, bases }) =>
    LISTS[kind](await readFile(join(repository.folder, "repodata/repomd.xml")), bases),
  );

  withList(
    "over https makes one repository of its mirrors, whichever dnf takes packages from",
    async ({ list, secureOrigin, near, far, bases, newMachine, published, larder }) => {
      secureOrigin.serve(`/${kind}?repo=tests`, bytesHandler(list));
      const repository = { [kind]: `${secureOrigin.url}/${kind}?repo=tests`, max_parallel_downloads: "6" };
      expect(await (await newMachine(repository)).install(...PACKAGES)).toEqual(published);
      near.takeRequests();
      expect(bodyBytes(far.takeRequests(), REPODATA)).toBe(0);

      const [, farBase] = bases;
      expect(digestOf((await get(larder, `${farBase}Packages/${FIRST}`)).body)).toBe(published[FIRST]);
      expect(await (await newMachine(repository)).install(...PACKAGES)).toEqual(published);
      expect(bodyBytes([...near.takeRequests(), ...far.takeRequests()], RPM)).toBe(0);

      for (const origin of [near, far, secureOrigin]) await origin.stop();
      expect(await (await newMachine(repository)).install(...PACKAGES)).toEqual(published);
    },
  );

  withList(
    "over https lets a mirror stand in for one that lies, although only its packages were seen",
    async ({ list, secureOrigin, far, bases, newMachine, published, repository, larder }) => {
      secureOrigin.serve(`/${kind}?repo=tests`, bytesHandler(list));
      await (await newMachine({ [kind]: `${secureOrigin.url}/${kind}?repo=tests` })).update();
      const wrong = (await readFile(join(repository.packages, FIRST))).fill(0, 1000, 2000).subarray(1);
      far.serve(`/far/os/Packages/${FIRST}`, bytesHandler(wrong));
      const [, farBase] = bases;
      expect(digestOf((await get(larder, `${farBase}Packages/${FIRST}`)).body)).toBe(published[FIRST]);
      expect(bodyBytes(far.takeRequests(), RPM)).toBeGreaterThan(0);
    },
  );

  for (const { how, isSecure, flags } of [
    { how: "over http", isSecure: false, flags: ["--delegate", "127.0.0.1"] },
    { how: "over https that nobody trusts with it", isSecure: true, flags: [] },
  ]) {
    withList.extend("larder", ({ startLarder }) => startLarder({ flags }))(
      `${how} is not believed about other hosts`,
      async ({ list, origin, secureOrigin, far, bases, newMachine, published, larder }) => {
        const service = isSecure ? secureOrigin : origin;
        service.serve(`/${kind}?repo=tests`, bytesHandler(list));
        const machine = await newMachine({ [kind]: `${service.url}/${kind}?repo=tests` });
        expect(await machine.install(...PACKAGES)).toEqual(published);
        far.serve(`/far/os/Packages/${FIRST}?now`, bytesHandler(Buffer.from("another")));
        const [, farBase] = bases;
        expect((await get(larder, `${farBase}Packages/${FIRST}?now`)).body.toString()).toBe("another");
      },
    );
  }
});
