import { createHash } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { PUBLIC_REALM } from "../../core/entry.ts";
import { createLearner } from "../../learn/learner.ts";
import { type Relearnt, relearn, relearnIfLost } from "../../learn/relearn.ts";
import { openDeclarations } from "../../storage/declarations/open-declarations.ts";
import type { DeclarationIndex } from "../../storage/declarations.ts";
import { copyIndex } from "../../storage/index-copy/copy-index.ts";
import { layoutOf } from "../../storage/layout.ts";
import type { LocalStore } from "../../storage/local-store.ts";
import { isToRelearn } from "../../storage/lost-index.ts";
import { storeBody } from "../storage/bodies.ts";
import { test as base } from "../storage/workbench.ts";
import { packagesOf, releaseOf } from "./learning-bench.ts";

const TARBALL = Buffer.from("a tarball");
const SHA512 = createHash("sha512").update(TARBALL);
const INTEGRITY = SHA512.digest();
const PACKUMENT = JSON.stringify({
  name: "left-pad",
  versions: {
    "1.0.0": {
      dist: {
        tarball: "https://npm.example/left-pad/-/left-pad-1.0.0.tgz",
        integrity: `sha512-${INTEGRITY.toString("base64")}`,
      },
    },
  },
});
const TARBALL_URI = "https://npm.example/left-pad/-/left-pad-1.0.0.tgz";
const DEB = "a package";
const PACKAGES = packagesOf({ "pool/a.deb": DEB });
const BASE = "https://deb.example/debian/";
const PACKAGES_URI = `${BASE}dists/stable/main/binary-amd64/Packages`;
const PATIENT = { signal: new AbortController().signal, onProgress: () => undefined };

/** A larder's learning part on the store, as one run of the program has it. */
interface Run {
  readonly store: LocalStore;
  readonly index: DeclarationIndex;
  relearn(signal?: AbortSignal): Promise<Relearnt>;
  /** As a start does it: only where something was lost. */
  relearnIfLost(): Promise<void>;
  end(): Promise<void>;
}

const test = base
  .extend("layout", ({ rootDir }) => layoutOf(rootDir))
  .extend("run", async ({ open, rootDir, clock, log }, { onCleanup }) => {
    const runs: Run[] = [];
    onCleanup(async () => {
      for (const run of runs) await run.end();
    });
    return async (): Promise<Run> => {
      const store = await open();
      const index = openDeclarations({ rootDir, mayDelegate: () => false, clock: clock.read, log });
      const learner = createLearner({ rootDir, index, clock: clock.read, log });
      const parts = { store, index, learner };
      const run: Run = {
        store,
        index,
        relearn: (signal = PATIENT.signal) => relearn({ ...parts, watch: { ...PATIENT, signal } }),
        relearnIfLost: async () => {
          const relearning = relearnIfLost({ ...parts, layout: store.parts.layout, log });
          await relearning.done;
        },
        end: async () => {
          await learner.close();
          index.close();
          await store.close();
        },
      };
      runs.push(run);
      return run;
    };
  });

async function storeRepository({ store }: Run): Promise<void> {
  const release = releaseOf({ "main/binary-amd64/Packages": PACKAGES });
  // The member first: what it declares is known by its root only.
  await storeBody(store, PACKAGES_URI, Buffer.from(PACKAGES), { class: "member" });
  await storeBody(store, `${BASE}dists/stable/Release`, Buffer.from(release), { class: "root" });
}

const digestAt = ({ index }: Run, uri: string): string | undefined =>
  index.find(uri, { realm: PUBLIC_REALM, nowMs: 0 })?.declaration.digest;

test("roots are learnt before their members, and members before anybody asks for them", async ({ run }) => {
  const larder = await run();
  await storeRepository(larder);
  expect(await larder.relearn()).toEqual({ documents: 2, aliases: 0, isInterrupted: false });
  expect(digestAt(larder, `${BASE}pool/a.deb`)).toBe(digestOf(DEB));
});

test("declarations that were deleted are learnt again at the next start, and only then", async ({ run, layout }) => {
  const before = await run();
  await storeRepository(before);
  await before.relearnIfLost();
  expect(isToRelearn(layout)).toBe(false);
  await before.end();
  await rm(layout.declarationsFile);
  const after = await run();
  expect(isToRelearn(layout)).toBe(true);
  await after.relearnIfLost();
  expect(digestAt(after, `${BASE}pool/a.deb`)).toBe(digestOf(DEB));
  expect(isToRelearn(layout)).toBe(false);
});

test("what is declared by sha512 alone is found again in an index that was lost without a copy", async ({
  run,
  layout,
}) => {
  const before = await run();
  const fields = ["Content-Type", "application/vnd.npm.install-v1+json"];
  await storeBody(before.store, "https://npm.example/left-pad", Buffer.from(PACKUMENT), { class: "root", fields });
  await storeBody(before.store, TARBALL_URI, TARBALL);
  await before.relearnIfLost();
  await before.end();
  await rm(layout.indexFile);
  const after = await run();
  const declared = after.index.find(TARBALL_URI, { realm: PUBLIC_REALM, nowMs: 0 });
  expect(declared?.declaration).toMatchObject({ algorithm: "sha512", digest: INTEGRITY.toString("hex") });
  const found = () => declared && after.index.findBlob(declared.declaration, PUBLIC_REALM);
  expect(found()).toBeUndefined();
  await after.relearnIfLost();
  expect(found()).toEqual({ digest: digestOf(TARBALL), bytes: TARBALL.length });
});

test("a project's page whose URL could be anybody's is known by what its answer says it is", async ({ run }) => {
  const larder = await run();
  const files = [
    {
      filename: "foo-1.0-py3-none-any.whl",
      url: "../files/foo-1.0-py3-none-any.whl",
      hashes: { sha256: digestOf("a wheel") },
    },
  ];
  const page = JSON.stringify({ meta: { "api-version": "1.0" }, name: "foo", files });
  const fields = ["Content-Type", "application/vnd.pypi.simple.v1+json"];
  await storeBody(larder.store, "https://index.example/our/foo/", Buffer.from(page), { class: "root", fields });
  expect(await larder.relearn()).toMatchObject({ documents: 1 });
  expect(digestAt(larder, "https://index.example/our/files/foo-1.0-py3-none-any.whl")).toBe(digestOf("a wheel"));
});

test("nothing is learnt from a root that was damaged while there was no index", async ({ run, layout }) => {
  const before = await run();
  await storeRepository(before);
  const [release] = before.store.find(`GET ${BASE}dists/stable/Release`);
  if (release === undefined) throw new Error("the root is not stored");
  copyIndex({ rootDir: layout.rootDir, atMs: 0 });
  await before.end();
  await rm(layout.indexFile);
  const file = layout.blobFile(release.digest);
  await rm(file);
  await writeFile(file, "x".repeat(release.bytes), { mode: 0o444 });
  const after = await run();
  expect(await after.relearn()).toMatchObject({ documents: 0 });
  expect(after.store.find(release.key)).toEqual([]);
});

test("who has no patience gets what was learnt so far, and the next start begins again", async ({ run, layout }) => {
  const larder = await run();
  await storeRepository(larder);
  expect(await larder.relearn(AbortSignal.abort())).toEqual({ documents: 0, aliases: 0, isInterrupted: true });
  expect(isToRelearn(layout)).toBe(true);
});
