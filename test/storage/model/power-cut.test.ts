import { statSync } from "node:fs";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { layoutOf } from "../../../storage/layout.ts";
import { noise } from "../../support/noise.ts";
import { keyOf, readBlob, storeBody } from "../bodies.ts";
import { findingsIn } from "../maintenance/keeping.ts";
import { test } from "../workbench.ts";
import { damage, type Tear, tear } from "./sudden-end.ts";

const [FIRST, LAST] = [noise("first", 70_000), noise("last", 80_000)];
const DIGESTS = [digestOf(FIRST), digestOf(LAST)] as const;
/** Around each of the frames of SQLite's log: https://sqlite.org/fileformat2.html#walformat */
const FRAME_BYTES = 24 + 4096;
const WAL_HEADER_BYTES = 32;

function syncedOf(rootDir: string): readonly number[] {
  const db = new Database(layoutOf(rootDir).indexFile);
  const rows = db.prepare<[], { synced: number }>("SELECT synced FROM blob ORDER BY bytes").all();
  db.close();
  return rows.map(({ synced }) => synced);
}

test("wherever a power cut ends the log behind what was fsynced, that is served, and what came after is whole or a miss", {
  timeout: 120_000,
}, async ({ open, rootDir, folder }) => {
  const { walFile } = layoutOf(rootDir);
  const store = await open();
  await storeBody(store, "http://o/first", FIRST);
  await store.settled();
  const durableBytes = statSync(walFile).size;
  await storeBody(store, "http://o/last", LAST);
  await storeBody(store, "http://o/first-again", FIRST);
  const left = join(folder, "left");
  await cp(rootDir, left, { recursive: true, preserveTimestamps: true });
  const { size } = statSync(layoutOf(left).walFile);
  const frames = (size - WAL_HEADER_BYTES) / FRAME_BYTES;
  expect(size).toBeGreaterThan(durableBytes + FRAME_BYTES);
  const found = new Set<string>();
  for (let frame = (durableBytes - WAL_HEADER_BYTES) / FRAME_BYTES; frame <= frames; frame++)
    for (const [within, leaves] of [
      [0, "nothing"],
      [0.5, "nothing"],
      [0.1, "zeros"],
      [0.9, "noise"],
    ] as const) {
      const bytes = WAL_HEADER_BYTES + (frame + within) * FRAME_BYTES;
      found.add(await afterCut({ share: Math.min(1, bytes / size), leaves }));
    }
  expect([...found].sort()).toEqual(["first", "first, first-again, last", "first, last"].sort());

  /** @returns what is served */
  async function afterCut(cut: Tear): Promise<string> {
    const root = join(folder, "cut");
    await cp(left, root, { recursive: true, preserveTimestamps: true, force: true });
    await tear(layoutOf(root).walFile, cut);
    expect(syncedOf(root)[0], JSON.stringify(cut)).toBe(1);
    const opened = await open({ rootDir: root });
    const served: string[] = [];
    for (const name of ["first", "first-again", "last"]) {
      const [entry] = opened.find(keyOf(`http://o/${name}`).key);
      if (entry === undefined) continue;
      const body = await readBlob(opened, entry.digest);
      expect(body.equals(entry.digest === DIGESTS[0] ? FIRST : LAST), JSON.stringify(cut)).toBe(true);
      served.push(name);
    }
    expect(await findingsIn(opened), JSON.stringify(cut)).toEqual([]);
    await opened.close();
    await rm(root, { recursive: true });
    return served.join(", ");
  }
});

test("a blob that the cut caught before it was durable is hashed, and not served when it was damaged", async ({
  open,
  rootDir,
  folder,
}) => {
  const store = await open();
  await storeBody(store, "http://o/last", LAST);
  const left = join(folder, "left");
  await cp(rootDir, left, { recursive: true, preserveTimestamps: true });
  expect(syncedOf(left)).toEqual([0]);
  await damage({ digest: DIGESTS[1], bytes: LAST.length, file: layoutOf(left).blobFile(DIGESTS[1]) }, 2);
  const opened = await open({ rootDir: left });
  await expect(readBlob(opened, DIGESTS[1])).rejects.toMatchObject({ code: "BLOB_CORRUPT" });
  expect(opened.find(keyOf("http://o/last").key)).toEqual([]);
  await opened.close();
});
