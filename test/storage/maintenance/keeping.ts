import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../../core/digest.ts";
import { layoutOf } from "../../../storage/layout.ts";
import { openLedger } from "../../../storage/ledger.ts";
import type { LocalStore } from "../../../storage/local-store.ts";
import { StoreKeeper } from "../../../storage/maintenance/keeper.ts";
import type { Watch } from "../../../storage/maintenance/keeping.ts";
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

/** As a disk does it: the file keeps its length and its mode. */
export async function flipBit(file: string): Promise<void> {
  const body = await readFile(file);
  body[body.length >> 1] = (body[body.length >> 1] as number) ^ 1;
  await chmod(file, 0o644);
  await writeFile(file, body);
}
