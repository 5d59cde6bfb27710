import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { trustDirOfStore } from "../serving/trust.ts";
import type { Environment } from "../settings/directories.ts";
import { askProgram } from "./ask-program.ts";
import { type Finding, good, note } from "./finding.ts";

/** It is there where the kernel decides by labels: selinux(8). */
export const SELINUX_SWITCH = "/sys/fs/selinux/enforce";

/**
 * What every container may read, unless categories behind the level keep a file for one of them: container_selinux(8).
 */
const READABLE_LABEL = /^[^:]+:[^:]+:container_(?:file|ro_file|share)_t:s0$/;

/**
 * Whether containers may read what is mounted into them, where SELinux decides on that.
 * @param switchFile {@link SELINUX_SWITCH}
 */
export async function checkLabels(root: string, env: Environment, switchFile: string): Promise<Finding> {
  if (!existsSync(switchFile)) return note("SELinux", "off on this machine: labels were not looked at");
  const folder = trustDirOfStore(root);
  const names = await readdir(folder).catch(() => []);
  const files = [folder, ...names.map((name) => join(folder, name))];
  const said = await askProgram("stat", ["--format=%C", "--", ...files], env);
  const labels = said?.stdout.trimEnd().split("\n") ?? [];
  const at = files.findIndex((_, index) => !READABLE_LABEL.test(labels[index] ?? ""));
  if (at === -1) return good("SELinux", `containers may read ${folder}`);
  const label = labels[at] ?? "";
  const cure = `chcon -R system_u:object_r:container_file_t:s0 ${folder}, or mount it with :z, as larder proxy-env --format podman does`;
  const labelled = /^[^:]+:[^:]+:/.test(label) ? label : "in no way";
  return note("SELinux", `${files[at]} is labelled ${labelled}, which containers may not read`, cure);
}
