import { cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { copyIndex } from "../../storage/index-copy/copy-index.ts";
import { type Layout, layoutOf } from "../../storage/layout.ts";
import { AptClient } from "../support/clients/apt-client.ts";
import { folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { Larder, runLarder } from "../support/larder.ts";
import { bodyBytes, Origin } from "../support/origin.ts";
import { createAptRepository } from "../support/repositories/apt-repository.ts";

const PACKAGES = ["larder-first", "larder-second"];
const DEB = /\.deb$/;
const EVERYTHING = /^/;

/** A machine that has never done anything updates and downloads all packages. */
async function download(options: Parameters<typeof AptClient.create>[0]): Promise<AptClient> {
  const apt = await AptClient.create(options);
  expect([await apt.update(), await apt.download(PACKAGES)]).toMatchObject([{ code: 0 }, { code: 0 }]);
  return apt;
}

const access = ({ url }: Larder) => ({ proxy: url, caFile: "/dev/null" });

/** `test` with a store that one machine has filled by apt and whose larder has ended: each test has a copy of it. */
const test = base
  .extend("repository", { scope: "file" }, ({ sharedFolder }) => createAptRepository(sharedFolder, PACKAGES))
  .extend("debian", { scope: "file" }, async ({ repository }, { onCleanup }) => {
    const debian = await Origin.start();
    onCleanup(() => debian.stop());
    debian.serve("/debian/", folderHandler("/debian/", repository.folder));
    return debian;
  })
  .extend("filled", { scope: "file" }, async ({ sharedFolder, authority, debian, repository }) => {
    const home = join(sharedFolder, "filled");
    await mkdir(home);
    const larder = await Larder.start({ folder: home, originCa: authority.caFile });
    const folder = join(sharedFolder, "first");
    await download({ folder, repository, urls: [`${debian.url}/debian`], access: access(larder) });
    await larder.stop();
    return home;
  })
  .extend("home", async ({ filled, folder, debian }) => {
    const home = join(folder, "home");
    await cp(filled, home, { recursive: true, preserveTimestamps: true });
    debian.takeRequests();
    return home;
  })
  .extend("layout", ({ home }) => layoutOf(join(home, "cache/larder")))
  /** Starts a larder on the store, and has another machine download everything. @returns body bytes of the origin */
  .extend("again", ({ home, startLarder, folder, debian, repository }) => async () => {
    const larder = await startLarder({ folder: home });
    const urls = [`${debian.url}/debian`];
    const apt = await download({ folder: join(folder, "second"), repository, urls, access: access(larder) });
    expect(await apt.packages()).toEqual(await folderDigests(join(repository.folder, "pool"), DEB));
    const requests = debian.takeRequests();
    return { debs: bodyBytes(requests, DEB), all: bodyBytes(requests, EVERYTHING) };
  });

async function lose({ indexFile, declarationsFile }: Layout, what: "index" | "both"): Promise<void> {
  for (const file of what === "both" ? [indexFile, declarationsFile] : [indexFile])
    for (const companion of ["", "-wal", "-shm"]) await rm(file + companion, { force: true });
}

for (const what of ["index", "both"] as const) {
  const lost = what === "both" ? "the index and the declarations" : "the index";

  test(`${lost} deleted, and no copy: no package crosses the network again`, async ({ layout, again }) => {
    await lose(layout, what);
    const { debs, all } = await again();
    expect(debs).toBe(0);
    expect(all).toBeGreaterThan(0);
  });

  test(`${lost} deleted beside a copy: nothing at all crosses the network again`, async ({ layout, again }) => {
    copyIndex({ rootDir: layout.rootDir, atMs: Date.now() });
    await lose(layout, what);
    expect(await again()).toEqual({ debs: 0, all: 0 });
  });
}

test("what is declared is known again to the first who asks for a package, and for no metadata before", async ({
  layout,
  home,
  startLarder,
  debian,
  repository,
}) => {
  copyIndex({ rootDir: layout.rootDir, atMs: Date.now() });
  await lose(layout, "both");
  const larder = await startLarder({ folder: home });
  const [name] = await readdir(join(repository.folder, "pool"));
  const response = await fetch(`${larder.url}/http/${new URL(debian.url).host}/debian/pool/${name}`);
  const digest = digestOf(Buffer.from(await response.arrayBuffer()));
  expect(response.headers.get("etag")).toBe(`"sha256-${digest}"`);
  expect(debian.takeRequests()).toEqual([]);
});

test("after store rebuild a declared package is a hit, although index and declarations were damaged", async ({
  layout,
  home,
  again,
}) => {
  copyIndex({ rootDir: layout.rootDir, atMs: Date.now() });
  for (const file of [layout.indexFile, layout.declarationsFile]) await writeFile(file, "damaged ".repeat(2000));
  const rebuilt = await runLarder(["store", "rebuild", "--json"], { folder: home });
  expect(rebuilt.code).toBe(0);
  expect(JSON.parse(rebuilt.stdout.toString())).toMatchObject({ documents: 2, isInterrupted: false });
  expect(await again()).toEqual({ debs: 0, all: 0 });
});
