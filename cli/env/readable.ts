import { statSync } from "node:fs";
import { dirname } from "node:path";

/** The outermost folder of a path that other users may not enter; `undefined` when they can reach it. */
export function firstClosedFolder(path: string): string | undefined {
  const folder = dirname(path);
  const above = folder === path ? undefined : firstClosedFolder(folder);
  if (above !== undefined || folder === path) return above;
  return (statSync(folder).mode & 0o001) === 0 ? folder : undefined;
}
