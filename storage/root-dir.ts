import { statfs } from "node:fs/promises";
import { LarderError } from "../core/errors.ts";
import { makeFolder } from "../core/folder.ts";
import { unwritable } from "./faults.ts";
import type { Layout } from "./layout.ts";

/** File systems whose locks or memory maps SQLite cannot rely on, by the magic number of statfs(2). */
const UNSUITABLE_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x01021997, "9p"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
]);

/** The name of a file system that cannot hold a store, or `undefined`. @param type the magic number of statfs(2) */
export function unsuitableFileSystem(type: number): string | undefined {
  return UNSUITABLE_FILE_SYSTEMS.get(type >>> 0);
}

/**
 * Makes a private folder.
 * @throws LarderError `STORE_UNWRITABLE` when it cannot be made or lies on a network file system.
 */
export async function makePrivateDir(dir: string): Promise<void> {
  const { type } = await attempt(dir, async () => {
    makeFolder(dir, 0o700);
    return statfs(dir);
  });
  const fileSystem = unsuitableFileSystem(type);
  if (fileSystem === undefined) return;
  const message = `${dir} lies on ${fileSystem}, where locks do not hold; choose a folder on a local disk with --root`;
  throw new LarderError("STORE_UNWRITABLE", message, { details: { dir, fileSystem } });
}

/** Makes the folders of a store. @throws LarderError `STORE_UNWRITABLE` */
export async function makeFolders(layout: Layout): Promise<void> {
  await attempt(layout.rootDir, async () => {
    makeFolder(layout.blobsDir);
    makeFolder(layout.stagingDir);
  });
}

async function attempt<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unwritable(`the folder ${dir}`, error);
  }
}
