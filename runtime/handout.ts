import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { makeFolder } from "../core/folder.ts";
import { HANDOUT_FILES, HANDOUT_PATH, handoutPath, renderWgetrc } from "../core/handout.ts";
import type { ContainerConfig, Mount } from "./container-config.ts";
import { isInImage, readImageFile } from "./image-files.ts";
import type { NetworkPlan, RunPlan } from "./plan.ts";

/** Debian's wget honours no variable for its roots, only this file; SYSTEM_WGETRC names ours in its place. */
const WGETRC = "/etc/wgetrc";
const DNF_MAIN_SECTION = /^\[main\][^\S\n]*$/m;
const READ_ONLY_BIND = ["bind", "ro", "nosuid", "nodev", "noexec"];

/**
 * Makes the files that a container needs, from its own image, and the mounts that bring them in. Containers of the same
 * image share them. Files of the image that are mounted over exist there already: a mount makes no placeholder.
 * @param bundleDir where the container's `config.json` is
 */
export function makeMounts(bundleDir: string, config: ContainerConfig, network: NetworkPlan, plan: RunPlan): Mount[] {
  const rootDir = resolve(bundleDir, config.root.path);
  const folder = publish(plan.handoutDir, trustFiles(rootDir, network, plan), config.linux?.mountLabel ?? "");
  const mounts = [{ destination: HANDOUT_PATH, type: "bind", source: folder, options: READ_ONLY_BIND }];
  for (const path of plan.dnfConfs) {
    const conf = readImageFile(rootDir, path);
    if (conf === undefined) continue;
    const copy = publish(plan.handoutDir, { "dnf.conf": trustingDnfConf(conf.text) }, config.linux?.mountLabel ?? "");
    const source = join(copy, "dnf.conf");
    mounts.push({ destination: conf.path, type: "bind", source, options: READ_ONLY_BIND });
  }
  return mounts;
}

/**
 * The mounts of the engine, less those of cache folders that nothing in the image uses: a mount point that the runtime makes
 * in an image stays there, empty.
 */
export function keptMounts(bundleDir: string, { root, mounts = [] }: ContainerConfig, plan: RunPlan): readonly Mount[] {
  const rootDir = resolve(bundleDir, root.path);
  const isUnused = ({ path, owners }: RunPlan["cacheFolders"][number]) =>
    ![path, ...owners].some((known) => isInImage(rootDir, known));
  const unused = new Set(plan.cacheFolders.filter(isUnused).map(({ path }) => path));
  return mounts.filter(({ destination }) => !unused.has(destination));
}

function trustFiles(rootDir: string, { aptConf }: NetworkPlan, plan: RunPlan): Record<string, string | Buffer> {
  const ca = readFileSync(plan.caFile, "utf8");
  return {
    [HANDOUT_FILES.bundle]: `${withNewline(rootsOf(rootDir, plan))}${ca}`,
    [HANDOUT_FILES.ca]: ca,
    [HANDOUT_FILES.aptConf]: aptConf,
    [HANDOUT_FILES.wgetrc]: renderWgetrc(readImageFile(rootDir, WGETRC)?.text ?? ""),
    [HANDOUT_FILES.truststore]: readFileSync(plan.truststoreFile),
  };
}

/** What is not opened must verify as it did before: those are the image's own roots. */
function rootsOf(rootDir: string, { bundleCandidates, fallbackBundleFile }: RunPlan): string {
  for (const path of bundleCandidates) {
    const text = readImageFile(rootDir, path)?.text ?? "";
    if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  }
  return readFileSync(fallbackBundleFile, "utf8");
}

/** dnf honours no variable for its roots: dnf.conf(5). A file that names roots of its own is the user's word. */
function trustingDnfConf(text: string): string {
  const setting = `sslcacert=${handoutPath("bundle")}`;
  if (/^\s*sslcacert\s*=/m.test(text)) return text;
  return DNF_MAIN_SECTION.test(text)
    ? text.replace(DNF_MAIN_SECTION, (section) => `${section}\n${setting}`)
    : `[main]\n${setting}\n${text}`;
}

/** Puts the files into a folder named by their content and label; whole, or not at all. */
function publish(handoutDir: string, files: Readonly<Record<string, string | Buffer>>, mountLabel: string): string {
  const hash = createHash("sha256").update(mountLabel);
  for (const [name, content] of Object.entries(files)) hash.update(`\0${name}\0`).update(content);
  const folder = join(handoutDir, hash.digest("hex"));
  if (existsSync(folder)) return folder;
  makeFolder(handoutDir);
  const unfinished = mkdtempSync(join(handoutDir, "new-"));
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(unfinished, name), content);
    // Whatever the umask says: apt fetches as `_apt`, and these are certificates, not secrets.
    chmodSync(join(unfinished, name), 0o644);
  }
  chmodSync(unfinished, 0o755);
  if (mountLabel !== "") relabel(unfinished, mountLabel);
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    // A container that started at the same moment was quicker.
    rmSync(unfinished, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** Under SELinux a container reads only what has its label. Without the categories at its end, every container may. */
function relabel(folder: string, mountLabel: string): void {
  const shared = mountLabel.split(":").slice(0, 4).join(":");
  const { status, error } = spawnSync("chcon", ["--recursive", shared, folder]);
  if (status !== 0) throw new Error(`chcon could not label ${folder}: ${error?.message ?? `exit ${status}`}`);
}

function withNewline(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
