import { cpSync, existsSync } from "node:fs";
import { open, rename, rm, truncate } from "node:fs/promises";
import Database from "better-sqlite3";
import { expect } from "vitest";
import type { Digest } from "../../../core/digest.ts";
import { systemCode } from "../../../core/errors.ts";
import { fromRaw } from "../../../storage/keys.ts";
import { layoutOf } from "../../../storage/layout.ts";
import { noise } from "../../support/noise.ts";
import { flipBit } from "../maintenance/keeping.ts";

/** One that a power cut may damage. */
interface UnsyncedBlob {
  readonly digest: Digest;
  readonly bytes: number;
  readonly file: string;
}

/** What is on disk at this moment. Nothing of larder runs meanwhile but single operations on files, which may end before or after. */
export function snapshot(from: string, to: string): void {
  for (;;) {
    try {
      cpSync(from, to, { recursive: true, force: true, preserveTimestamps: true });
      return;
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
    }
  }
}

/** Puts what was on disk then in the place of what came after. */
export async function replace(folder: string, by: string): Promise<void> {
  await rm(folder, { recursive: true });
  await rename(by, folder);
}

/** Where a log ends that was not on the disk to its end, and what stands there behind that. */
export interface Tear {
  /** The part that stays. */
  readonly share: number;
  readonly leaves: "nothing" | "zeros" | "noise";
}

/** The salts and checksums of its frames tell SQLite which of them are whole: https://sqlite.org/fileformat2.html#walformat */
export async function tear(log: string, { share, leaves }: Tear): Promise<void> {
  const file = await open(log, "r+").catch(() => undefined);
  if (file === undefined) return;
  const { size } = await file.stat();
  const kept = Math.floor(share * size);
  if (leaves === "nothing") await file.truncate(kept);
  else if (leaves === "zeros") await file.write(Buffer.alloc(size - kept), 0, size - kept, kept);
  else await file.write(noise("torn", size - kept), 0, size - kept, kept);
  await file.close();
}

/** The blobs of a closed store that its index does not call durable, and those that it knows in vain. */
export function blobsInDoubt(rootDir: string): {
  readonly unsynced: readonly UnsyncedBlob[];
  readonly gone: readonly Digest[];
} {
  const layout = layoutOf(rootDir);
  const db = new Database(layout.indexFile);
  expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
  // A new index whose first second did not reach the disk has no tables.
  const isMade = db.pragma("user_version", { simple: true }) !== 0;
  const select = "SELECT sha256, bytes, synced FROM blob";
  const rows = isMade ? db.prepare<[], { sha256: Buffer; bytes: number; synced: number }>(select).all() : [];
  db.close();
  const blobs = rows.map(({ sha256, ...row }) => {
    const digest = fromRaw(sha256);
    return { ...row, digest, file: layout.blobFile(digest) };
  });
  return {
    unsynced: blobs.filter(({ synced }) => synced === 0),
    gone: blobs.filter(({ file }) => !existsSync(file)).map(({ digest }) => digest),
  };
}

/** Removes, cuts or changes the file, by turns. */
export async function damage({ file, bytes }: UnsyncedBlob, turn: number): Promise<void> {
  const ways = [() => rm(file, { force: true }), () => truncate(file, Math.floor(bytes / 2)), () => flipBit(file)];
  await ways[turn % ways.length]?.();
}
