import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";

/** Nobody was seen to need more for packages; more is the user's explicit wish. */
const MOST_BYTES = 50 * 2 ** 30;

/**
 * The limit of a store whose user set none: the smaller of 50 GiB and half of the disk's free space. What the store
 * holds already counts as free; otherwise each restart would shrink a store that has grown.
 * @param rootDir need not exist yet
 */
export async function automaticMaxBytes(rootDir: string, heldBytes: number): Promise<number> {
  const { bavail, bsize } = await statfs(nearestExisting(rootDir));
  return Math.min(MOST_BYTES, Math.floor((bavail * bsize + heldBytes) / 2));
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}

/** Enough for what a build machine writes between two looks. */
const MOST_FREE_BYTES = 2 ** 30;
const FREE_SHARE = 0.05;

/**
 * What the store leaves free on its disk when its user has not said: the smaller of 1 GiB and a twentieth of the disk.
 */
export async function automaticMinFreeBytes(rootDir: string): Promise<number> {
  const { blocks, bsize } = await statfs(nearestExisting(rootDir));
  return Math.min(MOST_FREE_BYTES, Math.floor(blocks * bsize * FREE_SHARE));
}
