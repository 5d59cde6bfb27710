import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";

/** Nobody was seen to need more for packages; more is the user's explicit wish. */
const MOST_BYTES = 50 * 2 ** 30;

/**
 * The limit of a store whose user set none: the smaller of 50 GiB and half of the disk's free space. What the store holds
 * already counts as free; otherwise each restart would shrink a store that has grown.
 * @param rootDir need not exist yet
 */
export async function automaticMaxBytes(rootDir: string, heldBytes: number): Promise<number> {
  const { bavail, bsize } = await statfs(nearestExisting(rootDir));
  return Math.min(MOST_BYTES, Math.floor((bavail * bsize + heldBytes) / 2));
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}
