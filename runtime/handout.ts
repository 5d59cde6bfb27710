import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { makeFolder } from "../core/folder.ts";
import { HANDOUT_FILES, HANDOUT_PATH, renderWgetrc } from "../core/handout.ts";
import type { ContainerConfig, Mount } from "./container-config.ts";
import { readImageFile } from "./image-files.ts";
import type { NetworkPlan, RunPlan } from "./plan.ts";
import { relabel } from "./relabel.ts";

/** Debian's wget honours no variable for its roots, only this file; SYSTEM_WGETRC names ours in its place. */
const WGETRC = "/etc/wgetrc";
const READ_ONLY_BIND = ["bind", "ro", "nosuid", "nodev", "noexec"];

/**
 * Makes the files that a container needs, from its own image, and the mount that brings them in. Containers of the same
 * image share them.
 * @param bundleDir where the container's `config.json` is
 */
export function handOut(bundleDir: string, config: ContainerConfig, network: NetworkPlan, plan: RunPlan): Mount {
  const rootDir = resolve(bundleDir, config.root.path);
  const folder = publish(plan.handoutDir, trustFiles(rootDir, network, plan), config.linux?.mountLabel ?? "");
  return { destination: HANDOUT_PATH, type: "bind", source: folder, options: READ_ONLY_BIND };
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

function withNewline(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
