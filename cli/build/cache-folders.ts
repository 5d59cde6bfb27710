import { statSync } from "node:fs";
import { join } from "node:path";
import type { CacheMount } from "../../clients/engine-arguments.ts";

/** Prepared cache trees below the store, and where each package manager keeps its own. */
const CACHE_FOLDERS: Readonly<Record<string, string>> = {
  dnf: "/var/cache/dnf",
  libdnf5: "/var/cache/libdnf5",
};

/** The cache trees that somebody has prepared for this store; a build without any has the command line it always had. */
export function preparedCaches(rootDir: string): CacheMount[] {
  return Object.entries(CACHE_FOLDERS)
    .map(([name, path]) => ({ folder: join(rootDir, name), path }))
    .filter(({ folder }) => statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true);
}
