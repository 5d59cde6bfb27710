import { cp } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { AptClient } from "../support/clients/apt-client.ts";
import { folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import type { Outcome } from "../support/programs.ts";
import { AptPublisher, INDEX, SUITE } from "../support/repositories/apt-repository.ts";

const PACKAGES = [{ name: "larder-small" }, { name: "larder-large", bytes: 1_500_000 }, { name: "larder-third" }];
const NAMES = PACKAGES.map(({ name }) => name);
const DEB = /\.deb$/;
const MEMBER_OR_PAYLOAD = /Packages|by-hash|\.deb$/;
const EVERYTHING = /^/;

/** How the indexes are found, and which form of them apt is told to want. */
const LAYOUTS = {
  "xz indexes by name": { hasByHash: false, flags: [] },
  "gz indexes by name": { hasByHash: false, flags: ["-o", "Acquire::CompressionTypes::Order::=gz"] },
  "xz indexes by hash": { hasByHash: true, flags: [] },
  "gz indexes by hash": { hasByHash: true, flags: ["-o", "Acquire::CompressionTypes::Order::=gz"] },
} as const;

const test = base.extend("repositories", { scope: "file" }, async ({ sharedFolder }) => {
  const publisher = await AptPublisher.create(sharedFolder);
  return {
    byName: await publisher.publish("by-name", PACKAGES),
    byHash: await publisher.publish("by-hash", PACKAGES, { hasByHash: true }),
  };
});

const WAYS = [
  ["http", "xz indexes by name"],
  ["http", "gz indexes by hash"],
  ["https", "xz indexes by hash"],
  ["https", "gz indexes by name"],
] as const;

describe.for(WAYS)("a repository on two hosts, over %s, with %s", ([scheme, layout]) => {
  const { hasByHash, flags } = LAYOUTS[layout];
  const withMirrors = test
    .extend("repository", ({ repositories }) => (hasByHash ? repositories.byHash : repositories.byName))
    .extend("mirrors", async ({ startOrigin, authority, repository }) => {
      const tls = scheme === "https" ? authority.certificate("good") : undefined;
      const first = await startOrigin({ tls, name: "localhost" });
      const second = await startOrigin({ tls, name: "127.0.0.1" });
      first.serve("/debian/", folderHandler("/debian/", repository.folder));
      second.serve("/pub/mirrors/debian/", folderHandler("/pub/mirrors/debian/", repository.folder));
      return { first, second, urls: [`${first.url}/debian`, `${second.url}/pub/mirrors/debian`] as const };
    })
    /** Updates and downloads everything on a machine that has never done so: gives the digests by file name. */
    .extend("download", ({ larder, caFile, folder, repository }) => async (machine: string, url: string) => {
      const access = { proxy: larder.url, caFile };
      const apt = await AptClient.create({ folder: join(folder, machine), repository, urls: [url], access });
      expectSuccess(await apt.update(...flags));
      expectSuccess(await apt.download(NAMES));
      return apt.packages();
    });

  withMirrors("takes each payload once, whichever mirror is asked", async ({ download, mirrors, repository }) => {
    const { first, second, urls } = mirrors;
    const published = await folderDigests(join(repository.folder, "pool"), DEB);

    expect(await download("cold", urls[0])).toEqual(published);
    expect(bodyBytes(first.takeRequests(), DEB)).toBeGreaterThan(1_500_000);

    expect(await download("clean", urls[1])).toEqual(published);
    expect(bodyBytes(asked(first, second), MEMBER_OR_PAYLOAD)).toBe(0);

    await Promise.all([first.stop(), second.stop()]);
    for (const [index, url] of urls.entries()) expect(await download(`offline-${index}`, url)).toEqual(published);
    expect(bodyBytes(asked(first, second), EVERYTHING)).toBe(0);
  });
});

test("an index that is stored under another suite's name declares here, too", async ({
  repositories,
  startOrigin,
  larder,
  folder,
}) => {
  const { byName } = repositories;
  const [first, second] = [await startOrigin(), await startOrigin()];
  first.serve("/debian/", folderHandler("/debian/", byName.folder));
  const renamed = join(folder, "renamed");
  await cp(join(byName.folder, "pool"), join(renamed, "pool"), { recursive: true });
  await cp(join(byName.folder, `dists/${SUITE}`), join(renamed, "dists/renamed"), { recursive: true });
  second.serve("/debian/", folderHandler("/debian/", renamed));
  const take = async ({ url }: Origin, suite: string) => {
    const index = `${INDEX.replace(SUITE, suite)}/Packages.gz`;
    for (const path of [`dists/${suite}/InRelease`, index, "pool/larder-third_1.0_all.deb"])
      expect(await get(larder, `${url}/debian/${path}`)).toMatchObject({ status: 200 });
  };
  await take(first, SUITE);
  await take(second, "renamed");
  expect(bodyBytes(second.takeRequests(), MEMBER_OR_PAYLOAD)).toBe(0);
});

function asked(...origins: readonly Origin[]) {
  return origins.flatMap((origin) => origin.takeRequests());
}

function expectSuccess({ code, stdout, stderr }: Outcome): void {
  expect(code, `${stdout}\n${stderr}`).toBe(0);
}
