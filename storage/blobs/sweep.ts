import { readdir } from "node:fs/promises";
import { type Digest, parseDigest } from "../../core/digest.ts";
import type { Layout } from "../layout.ts";

/** Every blob that lies on disk, whether or not the index knows it. */
export async function* blobsOnDisk({ blobsDir, shardDir }: Layout): AsyncGenerator<Digest> {
  for (const shard of await readdir(blobsDir)) {
    for (const name of await readdir(shardDir(shard))) {
      const digest = parseDigest(name);
      if (digest !== undefined) yield digest;
    }
  }
}
