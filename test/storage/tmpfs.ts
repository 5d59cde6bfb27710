import { mkdir } from "node:fs/promises";
import { mustRun } from "../support/programs.ts";

/** A small file system of a test's own, in memory. */
export interface Tmpfs {
  readonly folder: string;
  /** Lets nobody write any more, root included. */
  makeReadOnly(): Promise<void>;
  makeWritable(): Promise<void>;
  unmount(): Promise<void>;
}

/**
 * Mounts a file system of that size below `folder`. Needs root, as CI has it; elsewhere the test that wants it fails and
 * names the reason, for a disk that is really full cannot be had otherwise.
 */
export async function mountTmpfs(folder: string, bytes: number): Promise<Tmpfs> {
  const mountPoint = `${folder}/tmpfs`;
  await mkdir(mountPoint);
  const mount = (...args: string[]) => mustRun("mount", args, { cwd: folder });
  try {
    await mount("-t", "tmpfs", "-o", `size=${bytes},mode=0755`, "larder-test", mountPoint);
  } catch (cause) {
    throw new Error("this test mounts a small file system and so needs root (CAP_SYS_ADMIN)", { cause });
  }
  return {
    folder: mountPoint,
    makeReadOnly: async () => void (await mount("-o", "remount,ro", mountPoint)),
    makeWritable: async () => void (await mount("-o", "remount,rw", mountPoint)),
    unmount: async () => void (await mustRun("umount", [mountPoint], { cwd: folder })),
  };
}
