import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, parseDigest } from "../../core/digest.ts";
import { systemCode } from "../../core/errors.ts";
import { type Layout, shardOf } from "../layout.ts";

/** Every file below `blobs/sha256/`, as a path from there; also those that are no blobs. */
export async function* filesOfBlobs({ blobsDir, shardDir }: Layout): AsyncGenerator<string> {
  for (const shard of await namesIn(blobsDir)) {
    const names = await namesIn(shardDir(shard)).catch((error: unknown) => {
      if (systemCode(error) === "ENOTDIR") return undefined;
      throw error;
    });
    if (names === undefined) yield shard;
    else for (const name of names) yield `${shard}/${name}`;
  }
}

/** The digest that a path from `blobs/sha256/` names, if it is where blobs are. */
export function digestOfBlobFile(file: string): Digest | undefined {
  const [shard, name = "", ...rest] = file.split("/");
  const digest = parseDigest(name);
  return digest !== undefined && rest.length === 0 && shardOf(digest) === shard ? digest : undefined;
}

/** What lies below `blobs/sha256/`, in bytes, for when no index can say it. */
export async function bytesOfBlobs(layout: Layout): Promise<number> {
  let bytes = 0;
  for await (const file of filesOfBlobs(layout)) bytes += (await stat(join(layout.blobsDir, file))).size;
  return bytes;
}

/** What is in the folder; nothing when it is gone. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  });
}
