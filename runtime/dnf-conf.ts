import { basename, dirname, join, resolve } from "node:path";
import { handoutPath } from "../core/handout.ts";
import type { ContainerConfig, Mount } from "./container-config.ts";
import { readImageFile } from "./image-files.ts";
import { lend } from "./lent-folder.ts";
import type { RunPlan } from "./plan.ts";

const SETTING = `sslcacert=${handoutPath("bundle")}\n`;
const MAIN_SECTION = /^\[main\][^\S\n]*\n/m;

export interface LendingOptions {
  /** Where the container's `config.json` is. */
  readonly bundleDir: string;
  readonly containerId: string;
}

/**
 * dnf honours no variable for its roots (dnf.conf(5)): a container gets its configuration with that setting in it. A
 * file that names roots of its own is the user's word, as is what the call or its RUN mounts there.
 */
export function lendDnfConf(
  config: ContainerConfig,
  { bundleDir, containerId }: LendingOptions,
  plan: RunPlan,
): Mount[] {
  const rootDir = resolve(bundleDir, config.root.path);
  const mounted = (config.mounts ?? []).map(({ destination }) => `${destination}/`);
  return plan.dnfConfs.flatMap((file) => {
    const conf = readImageFile(rootDir, file);
    const path = dirname(conf?.path ?? "");
    // A link may lead anywhere; a folder of that name holds little, and little else.
    if (conf === undefined || basename(path) !== "dnf" || namesRoots(conf.text)) return [];
    if (mounted.some((one) => one.startsWith(`${path}/`))) return [];
    const loan = { rootDir, path, file: basename(conf.path), ...insertSetting(conf.text) };
    return [lend(join(plan.lentDir, containerId), loan, config.linux?.mountLabel ?? "")];
  });
}

function namesRoots(text: string): boolean {
  return /^\s*sslcacert\s*=/m.test(text);
}

function insertSetting(text: string): { readonly text: string; readonly inserted: string } {
  if (MAIN_SECTION.test(text))
    return { text: text.replace(MAIN_SECTION, (section) => section + SETTING), inserted: SETTING };
  const inserted = `[main]\n${SETTING}`;
  return { text: inserted + text, inserted };
}
