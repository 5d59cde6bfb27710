import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { systemClock } from "../../core/clock.ts";
import { digestOf } from "../../core/digest.ts";
import type { Log } from "../../core/log.ts";
import { declarationsFile } from "../../storage/declarations/schema.ts";
import { layoutOf } from "../../storage/layout.ts";
import { isSound } from "../../storage/lost-index.ts";
import { openStore } from "../../storage/open-store.ts";
import { readBlob } from "../storage/bodies.ts";
import { findingsIn } from "../storage/maintenance/keeping.ts";

/** What a rebuild that was killed has the next start say. */
const AFTER_REBUILD = /the index of the store was lost/;

export interface KilledStoreCheck {
  /** What the test is at, for its failures. */
  readonly when: string;
  /** The body that the URI must have; `undefined` where any will do. */
  bodyOf(uri: string): Buffer | undefined;
}

/**
 * Opens what a killed larder left, as the next would, and holds it to docs/storage-format.md: every entry whole, nothing condemned,
 * every count exact, the declarations sound. @returns how many entries there were
 */
export async function checkKilledStore(rootDir: string, { when, bodyOf }: KilledStoreCheck): Promise<number> {
  const complaints: string[] = [];
  const complain: Log["error"] = (facts, message) => {
    if (!AFTER_REBUILD.test(message)) complaints.push(`${message} ${JSON.stringify(facts)}`);
  };
  const ignore = (): void => undefined;
  const log: Log = { debug: ignore, info: ignore, warn: complain, error: complain };
  // Without a limit: what was about to be evicted has to be whole, too.
  const store = await openStore({ rootDir, maxBytes: 2 ** 40, clock: systemClock, log });
  try {
    const entries = store.list({ limit: 10_000 });
    for (const { uri, digest, bytes } of entries) {
      const body = await readBlob(store, digest);
      expect([body.length, digestOf(body)], when).toEqual([bytes, digest]);
      expect(bodyOf(uri)?.equals(body) ?? true, `${when}: ${uri}`).toBe(true);
    }
    await store.settled();
    const { blobs, blobBytes, entries: counted, stagingBytes } = store.usage();
    expect({ blobs, blobBytes, stagingBytes }, when).toEqual({ ...(await blobsOnDisk(rootDir)), stagingBytes: 0 });
    expect(counted, when).toBe(store.list({ limit: 10_000 }).length);
    expect(await findingsIn(store), when).toEqual([]);
    expect(isSound(declarationsFile(layoutOf(rootDir))), when).toBe(true);
    expect(complaints, when).toEqual([]);
    return entries.length;
  } finally {
    await store.close();
  }
}

async function blobsOnDisk(rootDir: string): Promise<{ blobs: number; blobBytes: number }> {
  const found = await readdir(join(rootDir, "blobs"), { recursive: true, withFileTypes: true });
  const files = found.filter((each) => each.isFile());
  const sizes = await Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
  return { blobs: files.length, blobBytes: sizes.reduce((sum, size) => sum + size, 0) };
}
