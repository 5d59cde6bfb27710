import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { AptClient, type AptClientOptions } from "../support/clients/apt-client.ts";
import { folderDigests, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { noise } from "../support/noise.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import { mustRun, type Outcome, runProgram } from "../support/programs.ts";
import { AptPublisher, type AptRepository, INDEX } from "../support/repositories/apt-repository.ts";
import { Site } from "../support/repositories/site.ts";

const NAME = "larder-thing";
const PACKAGES = [{ name: NAME }];
const SOURCES = "dists/stable/main/source";
const FILE = /\.(?:deb|dsc|tar\.xz)$/;

const test = base
  .extend("publisher", { scope: "file" }, ({ sharedFolder }) => AptPublisher.create(sharedFolder))
  /** Serves a repository at two places, each with a path of its own. */
  .extend("serveTwice", ({ startOrigin }) => async ({ folder }: AptRepository): Promise<readonly [Origin, Origin]> => {
    const serve = async (path: string): Promise<Origin> => {
      const origin = await startOrigin();
      origin.serve(path, folderHandler(path, folder));
      return origin;
    };
    return [await serve("/one/"), await serve("/pub/other/")];
  })
  .extend("newMachine", ({ larder, caFile, folder }) => {
    let machines = 0;
    return (options: Omit<AptClientOptions, "folder" | "access">) => {
      machines += 1;
      const access = { proxy: larder.url, caFile };
      return AptClient.create({ ...options, folder: join(folder, `machine-${machines}`), access });
    };
  });

/** What is asked of a machine, and what it then has. */
type Work = (machine: AptClient) => Promise<Readonly<Record<string, string>>>;

interface Layout {
  readonly options: Pick<AptClientOptions, "types" | "suite">;
  readonly make: (publisher: AptPublisher) => Promise<AptRepository>;
  readonly work: Work;
  /** Where below the repository what the machine must have stands. */
  readonly pool: string;
}

const download: Work = async (machine) => {
  expectSuccess(await machine.download([NAME]));
  return await machine.packages();
};

const LAYOUTS: Readonly<Record<string, Layout>> = {
  "a flat repository": {
    options: { suite: "./" },
    make: (publisher) => publisher.publishFlat("flat", PACKAGES),
    work: download,
    pool: ".",
  },
  "a Release with Release.gpg beside it": {
    options: {},
    make: (publisher) => publisher.publish("detached", PACKAGES, { isDetached: true }),
    work: download,
    pool: "pool",
  },
  "source packages": {
    options: { types: ["deb-src"] },
    make: publishSources,
    work: (machine) => machine.source("larder-source"),
    pool: "pool",
  },
};

describe.for(Object.entries(LAYOUTS))("%s", ([, { options, make, work, pool }]) => {
  test("is verified, shared by mirrors, and served when all of them are down", async ({
    publisher,
    serveTwice,
    newMachine,
    larder,
  }) => {
    const repository = await make(publisher);
    const published = await folderDigests(join(repository.folder, pool), FILE);
    const [one, other] = await serveTwice(repository);
    const use = async (url: string) => {
      const machine = await newMachine({ ...options, repository, urls: [url] });
      expectSuccess(await machine.update());
      expect(await work(machine)).toEqual(published);
    };
    await use(`${one.url}/one`);
    expect(bodyBytes(one.takeRequests(), FILE)).toBeGreaterThan(0);
    await use(`${other.url}/pub/other`);
    expect(bodyBytes(other.takeRequests(), FILE)).toBe(0);
    await Promise.all([one.stop(), other.stop()]);
    await use(`${one.url}/one`);
    await use(`${other.url}/pub/other`);
    expect(larder.logged("metadata is broken; nothing is learnt from it")).toEqual([]);
  });
});

test("an index that is brought up to date by patches: they are members, fetched once and verified", async ({
  publisher,
  origin,
  newMachine,
  larder,
}) => {
  const before = await publisher.publish("patched-1", PACKAGES);
  const after = await publishPatched(publisher, before);
  const site = new Site(origin, "/debian/", before.folder);
  const machines = [];
  for (let machine = 0; machine < 2; machine++) {
    const apt = await newMachine({ repository: before, urls: [site.url] });
    expectSuccess(await apt.update());
    machines.push(apt);
  }
  site.publish(after.folder);
  origin.takeRequests();
  for (const apt of machines) {
    expectSuccess(await apt.update());
    expectSuccess(await apt.download(["larder-more"]));
  }
  const paths = origin.takeRequests().flatMap(({ path, bodyBytes }) => (bodyBytes > 0 ? [path] : []));
  expect(paths.filter((path) => /\.diff\/(?!Index)/.test(path))).toHaveLength(1);
  expect(paths.filter((path) => path.endsWith(".deb"))).toHaveLength(1);
  expect(larder.logged("mismatch")).toEqual([]);
});

/** A suite with one source package and its index. */
async function publishSources(publisher: AptPublisher): Promise<AptRepository> {
  const repository = await publisher.publish("sources", PACKAGES);
  await rm(join(repository.folder, "pool/larder-thing_1.0_all.deb"));
  const tree = join(repository.folder, "../larder-source");
  await mkdir(join(tree, "debian/source"), { recursive: true });
  await writeFile(join(tree, "noise"), noise("larder-source", 100_000));
  await writeFile(join(tree, "debian/source/format"), "3.0 (native)\n");
  await writeFile(join(tree, "debian/control"), CONTROL);
  await writeFile(join(tree, "debian/changelog"), CHANGELOG);
  await mustRun("dpkg-source", ["--build", tree], { cwd: join(repository.folder, "pool") });
  await mkdir(join(repository.folder, SOURCES), { recursive: true });
  const sources = await mustRun("apt-ftparchive", ["sources", "pool"], { cwd: repository.folder });
  await writeFile(join(repository.folder, SOURCES, "Sources"), sources);
  await publisher.sign(repository.folder);
  return repository;
}

const CONTROL = `Source: larder-source
Maintainer: larder tests <tests@larder.invalid>
Standards-Version: 4.6.2

Package: larder-source
Architecture: all
Description: a package of the larder tests
`;
const CHANGELOG = `larder-source (1.0) stable; urgency=low

  * Made.

 -- larder tests <tests@larder.invalid>  Tue, 04 Mar 2025 10:00:00 +0000
`;

/** The next generation, with the patch that leads to its index from the one before. */
async function publishPatched(publisher: AptPublisher, before: AptRepository): Promise<AptRepository> {
  const after = await publisher.publish("patched-2", [...PACKAGES, { name: "larder-more" }]);
  const plainOf = (folder: string) => mustRun("gzip", ["-dc", join(folder, INDEX, "Packages.gz")], { cwd: folder });
  const [old, now] = [await plainOf(before.folder), await plainOf(after.folder)];
  const diffs = join(after.folder, INDEX, "Packages.diff");
  await mkdir(diffs);
  await writeFile(join(diffs, "old"), old);
  await writeFile(join(diffs, "now"), now);
  const patch = (await runProgram("diff", ["--ed", "old", "now"], { cwd: diffs })).stdout;
  await Promise.all(["old", "now"].map((name) => rm(join(diffs, name))));
  const name = "2025-03-05-0000.00";
  await writeFile(join(diffs, name), patch);
  await mustRun("gzip", ["-n9", name], { cwd: diffs });
  const line = (body: Buffer, what: string) =>
    ` ${createHash("sha256").update(body).digest("hex")} ${body.length} ${what}`;
  const packed = await readFile(join(diffs, `${name}.gz`));
  const index = [
    `SHA256-Current:${line(now, "")}`.trimEnd(),
    `SHA256-History:\n${line(old, name)}`,
    `SHA256-Patches:\n${line(patch, name)}`,
    `SHA256-Download:\n${line(packed, `${name}.gz`)}`,
  ];
  await writeFile(join(diffs, "Index"), `${index.join("\n")}\n`);
  // The Release tells of the plain index, which apt compares what it has patched with.
  await writeFile(join(after.folder, INDEX, "Packages"), now);
  await publisher.sign(after.folder);
  await rm(join(after.folder, INDEX, "Packages"));
  return after;
}

function expectSuccess({ code, stdout, stderr }: Outcome): void {
  expect(code, `${stdout}\n${stderr}`).toBe(0);
}
