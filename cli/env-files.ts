import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemCode } from "../core/errors.ts";

/** `<root>/env.d`: one `KEY=value` a line, read in glob order by whoever builds. */
const FOLDER = "env.d";

/** Writes the fragments, each at once or not at all, so that a build that sources them never sees half a file. */
export function writeFragments(rootDir: string, fragments: Readonly<Record<string, string>>): void {
  const folder = join(rootDir, FOLDER);
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(fragments)) {
    // The dot keeps the unfinished file out of the glob `*.env`.
    const unfinished = join(folder, `.${name}.${process.pid}`);
    writeFileSync(unfinished, text, { mode: 0o644 });
    renameSync(unfinished, join(folder, name));
  }
}

/** Removes the fragments of these names. Synchronous, so that it also works while the process exits. */
export function removeFragments(rootDir: string, names: readonly string[]): void {
  for (const name of names) rmSync(join(rootDir, FOLDER, name), { force: true });
}

/** The fragments as they stand on disk, one after the other in glob order; empty when there are none. */
export function readFragments(rootDir: string): string {
  const folder = join(rootDir, FOLDER);
  return listFolder(folder)
    .filter((name) => name.endsWith(".env") && !name.startsWith("."))
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("");
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}
