import { chmod, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Digest } from "../../../core/digest.ts";
import { layoutOf } from "../../../storage/layout.ts";
import { openLedger } from "../../../storage/ledger.ts";
import type { LocalStore } from "../../../storage/local-store.ts";
import { judge } from "../../../storage/maintenance/judge.ts";
import { StoreKeeper } from "../../../storage/maintenance/keeper.ts";
import type { StoreKeeping, Watch } from "../../../storage/maintenance/keeping.ts";
import { type Finding, verifyStore } from "../../../storage/maintenance/verify.ts";
import type { StoreReader } from "../../../storage/open-store.ts";
import { test as base, type Workbench } from "../workbench.ts";

/** Nobody looks, and nobody loses patience. */
export const PATIENT: Watch = { signal: new AbortController().signal, onProgress: () => undefined };

/** Loses patience with the n-th progress. */
export function impatientAfter(progresses: number): Watch {
  const patience = new AbortController();
  let left = progresses;
  return {
    signal: patience.signal,
    onProgress: () => {
      left -= 1;
      if (left <= 0) patience.abort();
    },
  };
}

/** A keeper of the store, with the pins of the ledger in the folder of the test. */
export async function keeperOf(
  { folder, clock, log, rootDir }: Workbench,
  store: LocalStore,
): Promise<{ readonly keeper: StoreKeeper; close(): void }> {
  const ledger = await openLedger({ stateDir: join(folder, "state"), clock: clock.read, log });
  return { keeper: new StoreKeeper(store.parts, ledger.pinsOf(rootDir)), close: () => ledger.close() };
}

/** `test` with a store that has room enough, and its keeper. */
export const test = base.extend("keeper", async ({ workbench, store }, { onCleanup }) => {
  const { keeper, close } = await keeperOf(workbench, store);
  onCleanup(close);
  return keeper;
});

/** The names of all files below `blobs/`. */
export async function blobNames(rootDir: string): Promise<string[]> {
  const found = await readdir(layoutOf(rootDir).blobsDir, { recursive: true, withFileTypes: true });
  return found.filter((each) => each.isFile()).map(({ name }) => name);
}

export function blobFile(rootDir: string, digest: Digest): string {
  return layoutOf(rootDir).blobFile(digest);
}

/** Has the system fail to look for the blob. @returns a function that puts an end to it */
export async function makeUnreadable(rootDir: string, digest: Digest): Promise<() => Promise<void>> {
  const shard = dirname(blobFile(rootDir, digest));
  const away = join(rootDir, "away");
  await rename(shard, away);
  await writeFile(shard, "no folder");
  return async () => {
    await rm(shard);
    await rename(away, shard);
  };
}

/** As a disk does it: the file keeps its length and its mode. */
export async function flipBit(file: string): Promise<void> {
  const body = await readFile(file);
  body[body.length >> 1] = (body[body.length >> 1] as number) ^ 1;
  await chmod(file, 0o644);
  await writeFile(file, body);
}

/** What `store verify --repair` would have to say about an open store. */
export function findingsIn({ parts }: LocalStore): Promise<readonly Finding[]> {
  return verifyWith(parts, { judge: (order, watch) => judge(parts, order, watch) });
}

/** Everything that a verification finds, with whoever writes the store. */
export async function verifyWith(
  { db, layout }: Pick<StoreReader, "db" | "layout">,
  keeping: Pick<StoreKeeping, "judge">,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for await (const report of verifyStore({ db, layout, keeping, repair: true }, PATIENT))
    findings.push(...report.findings);
  return findings;
}
