import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { PUBLIC_REALM } from "../../core/entry.ts";
import { createAptRepository } from "../support/repositories/apt-repository.ts";
import { metalink } from "../support/repositories/metalink.ts";
import { DELEGATES, test } from "./learning-bench.ts";
import { createRpmRepository } from "./rpm-repository.ts";

const A = "https://a.example/repository/";
const B = "http://b.example/pub/";
const C = "https://c.example/";
const INDEX = "dists/stable/main/binary-amd64/Packages";

describe("a Debian repository made by apt-ftparchive", () => {
  test("declares its packages through InRelease and Packages", async ({ bench, folder }) => {
    const { folder: repository } = await createAptRepository(folder, ["one", "two"]);
    expect(await bench.passFile(A, repository, "dists/stable/InRelease")).toMatchObject({ kind: "learnt" });
    expect(bench.find(`${A}${INDEX}.gz`)).toMatchObject({ kind: "member", isIndex: true, ecosystem: "deb" });
    expect(await bench.passFile(A, repository, `${INDEX}.gz`)).toEqual({ kind: "learnt", declarations: 2, skipped: 0 });
    for (const file of await readdir(join(repository, "pool"))) {
      const bytes = await readFile(join(repository, "pool", file));
      expect(bench.find(`${A}pool/${file}`)).toMatchObject({
        kind: "payload",
        declaration: { algorithm: "sha256", digest: digestOf(bytes), bytes: bytes.length },
        root: { uri: `${A}dists/stable/InRelease` },
        version: "1.0",
        arch: "all",
      });
    }
  });
});

describe("an RPM repository made by createrepo_c", () => {
  test("is read once for all its mirrors, and for those a metalink names before anything of them was seen", async ({
    bench,
    folder,
  }) => {
    const repository = await createRpmRepository(folder, ["one", "two"]);
    const repomd = await readFile(join(repository.folder, "repodata/repomd.xml"));
    const primary = await repository.indexOf("primary");
    expect(await bench.pass(`${A}repodata/repomd.xml`, repomd)).toMatchObject({ kind: "learnt" });
    expect(await bench.passFile(A, repository.folder, primary)).toEqual({
      kind: "learnt",
      declarations: 2,
      skipped: 0,
    });
    expect(await bench.pass(`${B}repodata/repomd.xml`, repomd)).toEqual({ kind: "known" });
    const list = metalink(repomd, [A, C]);
    expect(await bench.pass(`${DELEGATES}metalink?repo=fedora`, list)).toMatchObject({
      kind: "learnt",
      declarations: 2,
    });
    for (const path of repository.packages) {
      const digest = digestOf(await readFile(join(repository.folder, path)));
      for (const base of [A, B, C]) expect(bench.digestAt(base + path)).toBe(digest);
      expect(bench.find(A + path)?.ecosystem).toBe("rpm");
    }
    expect(bench.index.mirrorsOf(A, { realm: PUBLIC_REALM, nowMs: 0 })).toEqual([C]);
  });

  test("is one repository at the bases that configuration names, as long as it does", async ({ bench, folder }) => {
    const repository = await createRpmRepository(folder, ["one"]);
    await bench.learner.configure([{ name: "fedora", ecosystem: "rpm", bases: [A, C] }]);
    await bench.passFile(A, repository.folder, "repodata/repomd.xml");
    await bench.passFile(A, repository.folder, await repository.indexOf("primary"));
    expect(bench.digestAt(C + repository.packages[0])).toBe(bench.digestAt(A + repository.packages[0]));
    expect(bench.digestAt(C + repository.packages[0])).toBeDefined();
    await bench.learner.configure([{ name: "other", ecosystem: "rpm", bases: [A, B] }]);
    expect(bench.digestAt(C + repository.packages[0])).toBeUndefined();
    expect(bench.digestAt(B + repository.packages[0])).toBeDefined();
  });
});
