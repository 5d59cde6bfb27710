import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Declared, MetadataDocument, ReadOutcome } from "../../ecosystems/metadata.ts";
import { openReader } from "../../ecosystems/readers.ts";
import { decode } from "../../learn/unpack/decode.ts";
import { mustRun } from "../support/programs.ts";
import { createAptRepository, SUITE } from "../support/repositories/apt-repository.ts";
import { RpmRepository } from "../support/repositories/rpm-repository.ts";
import { BASE, contentOf, contents } from "./reader-workbench.ts";

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "larder-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface Stored extends Pick<Partial<Declared>, "opened"> {
  readonly path: string;
  readonly document: MetadataDocument;
}

/** Unpacks and reads a document of a repository on disk. */
async function readFrom(folder: string, { path, document, opened }: Stored, base = BASE) {
  const declared: Declared[] = [];
  const reader = openReader(document.kind, { base, path }, (one) => declared.push(one));
  const packed = [await readFile(join(folder, path))];
  const options = { compression: document.compression, opened };
  for await (const chunk of decode(toAsync(packed), options)) reader.push(chunk);
  const outcome: ReadOutcome = reader.finish();
  return { declared, outcome };
}

async function* toAsync(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** `contents` of files on disk. */
async function contentsOnDisk(folder: string, paths: readonly string[]): Promise<Record<string, string>> {
  const read = paths.map(async (path) => [path, contentOf(await readFile(join(folder, path)))] as const);
  return Object.fromEntries(await Promise.all(read));
}

const bySha256 = (declared: readonly Declared[]) =>
  contents({
    declared: declared.map((one) => ({
      ...one,
      digests: one.digests.filter(({ algorithm }) => algorithm === "sha256"),
    })),
  });

function documentNamed(declared: readonly Declared[], name: string): Stored {
  const found = declared.find(({ path, document }) => basename(path) === name && document !== undefined);
  if (found?.document === undefined) throw new Error(`the root declares no document ${name}`);
  return { path: found.path, document: found.document, opened: found.opened };
}

describe("apt-ftparchive", () => {
  const COMPRESSORS = [
    ["xz", ["-k"]],
    ["gzip", ["-kn"]],
    ["zstd", ["-q"]],
    ["bzip2", ["-k"]],
  ] as const;
  const PACKAGES = ["Packages", "Packages.xz", "Packages.gz", "Packages.zst", "Packages.bz2"];

  test("makes a signed suite: every package is declared, whatever the index is packed with", async () => {
    const folder = await makeFolder();
    const { folder: repository } = await createAptRepository(folder, ["larder-first", "larder-second"]);
    const suite = join(repository, "dists", SUITE);
    const index = join(suite, "main/binary-amd64");
    await rm(index, { recursive: true });
    await mkdir(index);
    await writeFile(
      join(index, "Packages"),
      await mustRun("apt-ftparchive", ["packages", "pool"], { cwd: repository }),
    );
    for (const [program, args] of COMPRESSORS) await mustRun(program, [...args, "Packages"], { cwd: index });
    const flags = ["-o", "APT::FTPArchive::Release::Suite=stable", "-o", "APT::FTPArchive::DoByHash=true"];
    await writeFile(
      join(suite, "Release"),
      await mustRun("apt-ftparchive", [...flags, "release", suite], { cwd: folder }),
    );

    const path = `dists/${SUITE}/Release`;
    const root = await readFrom(repository, { path, document: { kind: "deb-release", compression: "plain" } });
    const members = PACKAGES.map((name) => `dists/${SUITE}/main/binary-amd64/${name}`);
    expect(bySha256(root.declared)).toMatchObject(await contentsOnDisk(repository, members));

    const pool = (await readdir(join(repository, "pool"))).map((name) => `pool/${name}`);
    expect(pool).toHaveLength(2);
    for (const name of PACKAGES) {
      const { declared, outcome } = await readFrom(repository, documentNamed(root.declared, name));
      expect(bySha256(declared), name).toEqual(await contentsOnDisk(repository, pool));
      expect(outcome.skipped).toBe(0);
    }
  });

  test("and gpg make an InRelease that declares what its Release declares", async () => {
    const { folder } = await createAptRepository(await makeFolder(), ["larder-first"]);
    const path = `dists/${SUITE}/InRelease`;
    const signed = await readFrom(folder, { path, document: { kind: "deb-inrelease", compression: "plain" } });
    const plain = await readFrom(folder, {
      path: `dists/${SUITE}/Release`,
      document: { kind: "deb-release", compression: "plain" },
    });
    expect(signed).toEqual(plain);
    expect(signed.declared.length).toBeGreaterThan(0);
    expect(signed.outcome.root?.suite).toBe(SUITE);
  });

  test("makes a flat repository of binary and source packages", async () => {
    const folder = await makeFolder();
    const { folder: suites } = await createAptRepository(folder, ["larder-first"]);
    const flat = join(folder, "flat");
    await mkdir(flat);
    const [deb = ""] = await readdir(join(suites, "pool"));
    await copyFile(join(suites, "pool", deb), join(flat, "with space+tilde~%3a.deb"));
    await buildSource(folder, flat);
    for (const kind of ["packages", "sources"]) {
      const text = await mustRun("apt-ftparchive", [kind, "."], { cwd: flat });
      await writeFile(join(flat, kind === "packages" ? "Packages" : "Sources"), text);
    }
    await writeFile(join(flat, "Release"), "");
    await writeFile(join(flat, "Release"), await mustRun("apt-ftparchive", ["release", "."], { cwd: flat }));

    const root = await readFrom(flat, { path: "Release", document: { kind: "deb-release", compression: "plain" } });
    expect(bySha256(root.declared)).toMatchObject(await contentsOnDisk(flat, ["Packages", "Sources"]));
    expect(Object.keys(contents(root))).not.toContain("Release");

    const binary = await readFrom(flat, documentNamed(root.declared, "Packages"));
    const bytes = await readFile(join(flat, "with space+tilde~%3a.deb"));
    expect(bySha256(binary.declared)).toEqual({ "with%20space+tilde~%253a.deb": contentOf(bytes) });

    const source = await readFrom(flat, documentNamed(root.declared, "Sources"));
    const files = (await readdir(flat)).filter((name) => name.startsWith("larder-source"));
    expect(files).toHaveLength(2);
    expect(bySha256(source.declared)).toEqual(await contentsOnDisk(flat, files));
  });

  async function buildSource(folder: string, flat: string): Promise<void> {
    const tree = join(folder, "larder-source");
    await mkdir(join(tree, "debian/source"), { recursive: true });
    await writeFile(join(tree, "debian/source/format"), "3.0 (native)\n");
    await writeFile(
      join(tree, "debian/control"),
      "Source: larder-source\nMaintainer: tests <tests@larder.invalid>\nStandards-Version: 4.6.2\n\nPackage: a\nArchitecture: all\nDescription: a\n",
    );
    await writeFile(
      join(tree, "debian/changelog"),
      "larder-source (1.0) stable; urgency=low\n\n  * First.\n\n -- tests <tests@larder.invalid>  Sat, 09 Nov 2024 09:46:09 +0000\n",
    );
    await mustRun("dpkg-source", ["--build", tree], { cwd: flat });
  }
});

describe("createrepo_c", () => {
  const REPOMD: Stored = { path: "repodata/repomd.xml", document: { kind: "rpm-repomd", compression: "plain" } };

  /** Reads a repository down to its packages, each file of repodata checked against the one on disk. */
  async function readRepository(folder: string, type = "primary", base = BASE) {
    const root = await readFrom(folder, REPOMD, base);
    for (const { path, digests, bytes } of root.declared) {
      const file = await readFile(join(folder, path));
      expect(contentOf(file, digests[0]?.algorithm), path).toBe(
        `${digests[0]?.algorithm} ${digests[0]?.digest} ${bytes}`,
      );
    }
    expect(root.outcome).toMatchObject({ skipped: 0, ambiguous: new Set() });
    const index = root.declared.find(({ name }) => name === type);
    if (index?.document === undefined) throw new Error(`there is no ${type} to read`);
    const { path, document, opened } = index;
    return { index, ...(await readFrom(folder, { path, document, opened }, base)) };
  }

  async function packagesOnDisk({ folder, packages }: RpmRepository): Promise<Record<string, string>> {
    return contentsOnDisk(
      folder,
      (await readdir(packages)).map((name) => `Packages/${name}`),
    );
  }

  const NAMES = ["larder-first", "larder-second"];

  test.for([
    ["gz", {}],
    ["xz", { packing: "xz" }],
    ["zstd", { packing: "zstd" }],
    ["bz2", { flags: ["--general-compress-type=bz2"] }],
    ["gz and names without digest", { flags: ["--simple-md-filenames"] }],
    ["gz and a database", { flags: ["--database"] }],
  ] as const)("makes a repository packed by %s: every package is declared", async ([, options]) => {
    const repository = await RpmRepository.create(join(await makeFolder(), "rpm"), NAMES, options);
    const { declared } = await readRepository(repository.folder);
    expect(contents({ declared })).toEqual(await packagesOnDisk(repository));
    expect(declared.map(({ name, version, arch }) => [name, version, arch])).toEqual(
      expect.arrayContaining(NAMES.map((name) => [name, "1.0-1", "noarch"])),
    );
  });

  test.for(["sha512", "sha384", "sha1"])("makes a repository with digests of %s", async (algorithm) => {
    const flags = [`--checksum=${algorithm}`];
    const repository = await RpmRepository.create(join(await makeFolder(), "rpm"), ["larder-first"], { flags });
    const { index, declared } = await readRepository(repository.folder);
    expect(index.opened?.digests).toMatchObject([{ algorithm }]);
    const bytes = await readFile(join(repository.packages, "larder-first-1.0-1.noarch.rpm"));
    expect(Object.values(contents({ declared }))).toEqual([contentOf(bytes, algorithm)]);
  });

  test("and zck make a repository with zchunk", async () => {
    const repository = await RpmRepository.create(join(await makeFolder(), "rpm"), NAMES);
    const repodata = join(repository.folder, "repodata");
    const primary = await mustRun("gzip", ["-dc", join(repository.folder, await repository.pathOf("primary"))], {
      cwd: repodata,
    });
    await writeFile(join(repodata, "primary.xml"), primary);
    await mustRun("zck", ["--output=primary.xml.zck", "primary.xml"], { cwd: repodata });
    await rm(join(repodata, "primary.xml"));
    const flags = ["--no-compress", "--mdtype=primary_zck"];
    await mustRun("modifyrepo_c", [...flags, join(repodata, "primary.xml.zck"), repodata], { cwd: repodata });
    const { declared } = await readRepository(repository.folder, "primary_zck");
    expect(contents({ declared })).toEqual(await packagesOnDisk(repository));
  });

  test("puts packages elsewhere with --baseurl, also below the repository itself", async () => {
    const flags = ["--baseurl=https://pool.example/rpms"];
    const repository = await RpmRepository.create(join(await makeFolder(), "rpm"), ["larder-first"], { flags });
    const elsewhere = await readRepository(repository.folder);
    expect(elsewhere.declared.map(({ base }) => base)).toEqual(["https://pool.example/rpms/"]);
    const here = await readRepository(repository.folder, "primary", "https://pool.example/");
    expect(here.declared.map(({ base, path }) => [base, path])).toEqual([
      [undefined, "rpms/Packages/larder-first-1.0-1.noarch.rpm"],
    ]);
  });

  test("makes delta packages, which are declared too", async () => {
    const folder = await makeFolder();
    const old = await RpmRepository.create(join(folder, "old"), ["larder-first"]);
    const repository = await RpmRepository.create(join(folder, "new"), []);
    await repository.build("larder-first", { version: "2.0" });
    await repository.index({
      flags: ["--deltas", "--max-delta-rpm-size=100000000", `--oldpackagedirs=${old.packages}`],
    });
    const { declared } = await readRepository(repository.folder, "prestodelta");
    const deltas = (await readdir(join(repository.folder, "drpms"))).map((name) => `drpms/${name}`);
    expect(deltas).toHaveLength(1);
    expect(contents({ declared })).toEqual(await contentsOnDisk(repository.folder, deltas));
  });
});
