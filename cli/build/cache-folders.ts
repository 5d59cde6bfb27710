import { statSync } from "node:fs";
import { join } from "node:path";
import type { CacheMount } from "../../clients/engine-arguments.ts";
import type { EngineCall } from "../../clients/engine-call.ts";

/**
 * Prepared cache trees below the store; where each package manager keeps its own, and who makes that folder by itself.
 */
const CACHE_FOLDERS: Readonly<Record<string, Pick<CacheMount, "path" | "owners">>> = {
  dnf: { path: "/var/cache/dnf", owners: ["/usr/bin/dnf", "/usr/bin/dnf-3", "/usr/bin/microdnf", "/usr/bin/yum"] },
  libdnf5: { path: "/var/cache/libdnf5", owners: ["/usr/bin/dnf5"] },
};

/**
 * The cache trees that somebody has prepared for this store; a build without any has the command line it always had.
 * What the call itself mounts there is the user's word.
 */
export function preparedCaches(rootDir: string, call: EngineCall): CacheMount[] {
  return Object.entries(CACHE_FOLDERS)
    .map(([name, place]) => ({ folder: join(rootDir, name), ...place }))
    .filter(({ folder }) => statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true)
    .filter(({ path }) => !call.rest.some((word) => word.includes(`:${path}`)));
}
