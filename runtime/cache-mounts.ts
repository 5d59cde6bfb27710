import { basename, resolve } from "node:path";
import type { ContainerConfig, Mount } from "./container-config.ts";
import { isInImage } from "./image-files.ts";
import type { RunPlan } from "./plan.ts";

type CacheFolder = RunPlan["cacheFolders"][number];

/**
 * The mounts of the engine, less those of cache folders that this container is better without. A mount point that the
 * runtime makes in an image stays there, empty; one that is there cannot be removed while it is mounted upon.
 * @param bundleDir where the container's `config.json` is
 */
export function keptMounts(bundleDir: string, config: ContainerConfig, plan: RunPlan): readonly Mount[] {
  const rootDir = resolve(bundleDir, config.root.path);
  const script = (config.process.args ?? []).join(" ");
  const dropped = new Set(plan.cacheFolders.filter((one) => !isWanted(one, rootDir, script)).map(({ path }) => path));
  return (config.mounts ?? []).filter(({ destination }) => !dropped.has(destination));
}

/** In an image without the folder, one that its RUN speaks of will be there afterwards anyway. */
function isWanted({ path, owners }: CacheFolder, rootDir: string, script: string): boolean {
  if (removes(script, path)) return false;
  if (isInImage(rootDir, path) || script.includes(path)) return true;
  return owners.some((owner) => isInImage(rootDir, owner) && hasWord(script, basename(owner)));
}

function hasWord(script: string, word: string): boolean {
  return script.split(/[^\w.+-]+/).includes(word);
}

/**
 * Whether a script removes the folder itself, or one that it is in: `rm -rf /var/cache/*` as well as `rm -rf
 * /var/cache/dnf`.
 */
function removes(script: string, path: string): boolean {
  const names = path.split("/");
  const lengths = names.map((_, index) => index + 1).slice(1);
  const folders = lengths.map((length) => names.slice(0, length).join("/"));
  return [...script.replaceAll(/["']/g, "").matchAll(/\b(?:rm|rmdir)\s([^;&|\n]*)/g)]
    .flatMap(([, words = ""]) => words.split(/\s+/))
    .filter((word) => word.startsWith("/"))
    .some((word) => folders.some((folder) => patternOf(word).test(folder)));
}

/** What a shell makes of a word: `*`, `?` and bash's `{a,b}`. */
function patternOf(word: string): RegExp {
  const pattern = word
    .replace(/\/+$/, "")
    .replaceAll(/[^\w/]/g, "\\$&")
    .replaceAll("\\*", "[^/]*")
    .replaceAll("\\?", "[^/]")
    .replaceAll(/\\\{([^{}]*)\\\}/g, (_, choices: string) => `(?:${choices.replaceAll("\\,", "|")})`);
  return new RegExp(`^${pattern}$`);
}
