import { rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { PUBLIC_REALM } from "../../core/entry.ts";
import { LarderError } from "../../core/errors.ts";
import { parseTarget } from "../../core/target.ts";
import { locateMetadata } from "../../ecosystems/locate.ts";
import { Learning } from "../../learn/learning.ts";
import type { RootTask } from "../../learn/tasks.ts";
import { openDeclarations } from "../../storage/declarations/open-declarations.ts";
import { openDeclarationWriter } from "../../storage/declarations/writer.ts";
import { openLedger } from "../../storage/ledger.ts";
import type { LocalStore } from "../../storage/local-store.ts";
import { packagesOf, releaseOf } from "../learn/learning-bench.ts";
import { noise } from "../support/noise.ts";
import { draftFor, follow, readBlob } from "./bodies.ts";
import { findingsIn } from "./maintenance/keeping.ts";
import { mountTmpfs, type Tmpfs } from "./tmpfs.ts";
import { test as base, type Workbench } from "./workbench.ts";

const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;
/** Small ones are written in one go; the last has a sidecar, since it comes with more than 1 MiB. */
const BODIES = [100, 50_000, 300_000, 1_600_000].map((bytes, n) => noise(`full ${n}`, bytes));
const BASE = "https://full.example/";
const FILES = Object.fromEntries(
  [...Array(200).keys()].map((n) => [`main/${n}/Packages`, packagesOf({ [`${n}`]: "" })]),
);
const RELEASE = releaseOf(FILES);
/** Room for so many pages is left: each write that makes the disk full one after the other, the long bodies in larger steps. */
const FREE_PAGES = [...Array(100).keys(), ...Array.from({ length: 28 }, (_, n) => 100 + 19 * n)];

const test = base.extend("disk", async ({ folder }, { onCleanup }) => {
  const disk = await mountTmpfs(folder, 16 * MIB);
  onCleanup(() => disk.unmount());
  return disk;
});

test(`whichever write finds the disk full (${FREE_PAGES.length} of them), the bytes go on, and all is well when there is room`, {
  timeout: 600_000,
}, async ({ disk, workbench }) => {
  const counts = { stored: 0, refused: 0, learnt: 0, unlearnt: 0 };
  for (const pages of FREE_PAGES) {
    const larder = await openOn(disk, workbench);
    try {
      await fillUp(disk, pages);
      const stored = await larder.work("full");
      const isLearnt = await larder.learn();
      await rm(join(disk.folder, "ballast"));
      counts.stored += stored;
      counts.refused += BODIES.length - stored;
      counts[isLearnt ? "learnt" : "unlearnt"] += 1;

      const when = `${pages} pages`;
      // What is stored again would hide what was left over.
      expect(await findingsIn(larder.store), when).toEqual([]);
      expect(await larder.work("again"), when).toBe(BODIES.length);
      expect(await larder.learn(), when).toBe(true);
      await larder.check(when);
    } finally {
      await larder.close();
    }
    await rm(join(disk.folder, "root"), { recursive: true });
    await rm(join(disk.folder, "state"), { recursive: true });
  }
  // Somewhere on the way each of them found room, and each of them found none.
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(BODIES.length);
});

/** Leaves room for so many pages and no more. */
async function fillUp(disk: Tmpfs, pages: number): Promise<void> {
  const { bavail, bsize } = await statfs(disk.folder);
  expect(bsize).toBe(PAGE_BYTES);
  await writeFile(join(disk.folder, "ballast"), Buffer.alloc((bavail - pages) * PAGE_BYTES));
}

/** A store, its declarations and its ledger, all on the disk. */
async function openOn(disk: Tmpfs, { open, clock, log, folder }: Workbench) {
  const rootDir = join(disk.folder, "root");
  const before = log.lines.length;
  const store = await open({ rootDir });
  const ledger = await openLedger({ stateDir: join(disk.folder, "state"), clock: clock.read, log });
  const index = openDeclarations({ rootDir, mayDelegate: () => false, clock: clock.read, log });
  const writer = openDeclarationWriter(rootDir);
  const learning = new Learning(writer);
  await writeFile(join(folder, "Release"), RELEASE);
  const task = rootTask(join(folder, "Release"), clock.nowMs);
  return {
    store,
    work: async (name: string): Promise<number> => {
      const session = await orUndefined(() => ledger.openSession(name));
      let stored = 0;
      for (const [n, body] of BODIES.entries()) {
        if (await passOn(store, `http://o/${n}`, body)) stored += 1;
        ledger.record({ ...EVENT, session, uri: `http://o/${n}`, digest: digestOf(body), bytes: body.length });
      }
      for (const { key } of store.list({ limit: 10 }).map(({ uri }) => draftFor(uri)))
        for (const entry of store.find(key)) store.freshen(entry, { ...entry, fields: ["X-Long", "x".repeat(9_000)] });
      await store.settled();
      if (session !== undefined) await orUndefined(() => ledger.closeSession(session));
      return stored;
    },
    learn: async (): Promise<boolean> => {
      await learning.run(task);
      index.refresh();
      const uri = `${BASE}dists/stable/main/199/Packages`;
      return index.find(uri, { realm: PUBLIC_REALM, nowMs: clock.nowMs }) !== undefined;
    },
    check: async (when: string): Promise<void> => {
      for (const [n, body] of BODIES.entries()) {
        const [entry] = store.find(draftFor(`http://o/${n}`).key);
        expect(entry?.digest, when).toBe(digestOf(body));
        expect((await readBlob(store, digestOf(body))).equals(body), when).toBe(true);
      }
      expect(await findingsIn(store), when).toEqual([]);
      const bytes = BODIES.reduce((sum, body) => sum + body.length, 0);
      expect(store.usage(), when).toMatchObject({ blobs: 4, entries: 4, blobBytes: bytes, stagingBytes: 0 });
      const said = log.lines.slice(before).map(({ facts }) => facts["fault"]);
      expect(said, when).toEqual([...new Set(said)]);
    },
    close: async (): Promise<void> => {
      writer.close();
      index.close();
      ledger.close();
      await store.close();
    },
  };
}

const EVENT = {
  atMs: 1_000,
  method: "GET",
  class: "payload",
  ecosystem: "rpm",
  status: 200,
  originBytes: 0,
  isHit: false,
} as const;

function rootTask(file: string, atMs: number): RootTask {
  const uri = `${BASE}dists/stable/Release`;
  const place = locateMetadata(parseTarget(uri));
  if (place?.role !== "root") throw new Error("a Release is a root");
  const stored = { digest: digestOf(RELEASE), realm: PUBLIC_REALM, file, atMs };
  return { ...stored, ...place, kind: "root", uri, scope: place.scope ?? "" };
}

/** Fills the body with a reader at its heels, as a download does. @returns whether it was stored */
async function passOn(store: LocalStore, uri: string, body: Buffer): Promise<boolean> {
  const note = { name: uri, origin: "http://o", fields: [], isDeclared: true };
  const staging = await store.stage({ expectedBytes: body.length, note });
  try {
    expect((await follow(staging, body)).equals(body)).toBe(true);
    expect(await staging.seal()).toEqual({ digest: digestOf(body), bytes: body.length });
    await staging.commit(draftFor(uri));
    return true;
  } catch (error) {
    if (error instanceof LarderError && error.code === "STORE_UNWRITABLE") return false;
    throw error;
  } finally {
    await staging.close();
  }
}

/** What needs a disk with room may fail, by saying so. */
async function orUndefined<T>(work: () => T): Promise<T | undefined> {
  try {
    return work();
  } catch (error) {
    expect(error).toMatchObject({ code: "STORE_UNWRITABLE" });
    return undefined;
  }
}
