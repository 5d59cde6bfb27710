import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { mustRun } from "./programs.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** What all files of a run share; removed after the last. */
    readonly runFolder: string;
  }
}

/** vitest's global set-up: one folder for a run of the tests. @returns what takes it down */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "larder-tests-"));
  provide("runFolder", folder);
  return async () => {
    for (const place of await mountsBelow(folder)) await mustRun("umount", [place], { cwd: "/" });
    await rm(folder, { recursive: true, force: true });
  };
}

/** Engines keep their storage mounted upon itself. The innermost come first. */
async function mountsBelow(folder: string): Promise<string[]> {
  const places = (await readFile("/proc/self/mounts", "utf8")).split("\n").map((line) => line.split(" ")[1] ?? "");
  return places.filter((place) => place.startsWith(`${folder}/`)).reverse();
}
