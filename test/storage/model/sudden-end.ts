import { cpSync } from "node:fs";
import { rename, rm, truncate } from "node:fs/promises";
import Database from "better-sqlite3";
import type { Digest } from "../../../core/digest.ts";
import { systemCode } from "../../../core/errors.ts";
import { fromRaw } from "../../../storage/keys.ts";
import { layoutOf } from "../../../storage/layout.ts";
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

/** The blobs that the index of a closed store does not call durable. */
export function unsyncedBlobs(rootDir: string): readonly UnsyncedBlob[] {
  const layout = layoutOf(rootDir);
  const db = new Database(layout.indexFile);
  const rows = db
    .prepare<[], { sha256: Buffer; bytes: number }>("SELECT sha256, bytes FROM blob WHERE synced = 0")
    .all();
  db.close();
  return rows.map(({ sha256, bytes }) => {
    const digest = fromRaw(sha256);
    return { digest, bytes, file: layout.blobFile(digest) };
  });
}

/** Removes, cuts or changes the file, by turns. */
export async function damage({ file, bytes }: UnsyncedBlob, turn: number): Promise<void> {
  const ways = [() => rm(file, { force: true }), () => truncate(file, Math.floor(bytes / 2)), () => flipBit(file)];
  await ways[turn % ways.length]?.();
}
