import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keptMounts } from "./cache-mounts.ts";
import { extendConfig, hasOwnDev, networkOf, parseConfig, printConfig } from "./container-config.ts";
import { lendDnfConf } from "./dnf-conf.ts";
import { handOut } from "./handout.ts";
import type { RunPlan } from "./plan.ts";

/**
 * The program that the shim runs before the engine's own runtime creates a container (docs/podman.md): it adds larder's
 * variables and files to the container's `config.json`. It loads next to nothing, for every RUN waits for it.
 *
 * Arguments: the file of the {@link RunPlan}, then those of the runtime. Whatever goes wrong, `config.json` stays as it
 * was.
 */
const [planFile = "", ...runtimeArguments] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, "utf8")) as RunPlan;
try {
  const bundleDir = bundleOf(runtimeArguments);
  if (bundleDir !== undefined) editBundle(bundleDir);
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  appendFileSync(plan.faultsFile, `a container went without larder: ${reason.replaceAll("\n", " ")}\n`);
}

function editBundle(bundleDir: string): void {
  const file = join(bundleDir, "config.json");
  const config = parseConfig(readFileSync(file, "utf8"));
  if (!hasOwnDev(config))
    throw new Error("/dev of the container is no tmpfs of its own: a mount there would leave a trace");
  const network = networkOf(config, plan);
  const containerId = runtimeArguments.at(-1) ?? "";
  const mounts = [
    ...keptMounts(bundleDir, config, plan),
    handOut(bundleDir, config, network, plan),
    ...lendDnfConf(config, { bundleDir, containerId }, plan),
  ];
  const edited = `${file}.larder`;
  try {
    writeFileSync(edited, printConfig(extendConfig(config, network, { handedOn: plan.handedOn, mounts })), {
      mode: 0o600,
    });
    renameSync(edited, file);
  } catch (error) {
    rmSync(edited, { force: true });
    throw error;
  }
}

/** `--bundle DIR`, as runc(8) and crun(1) take it: `-b` for short, the value behind a space or `=`. */
function bundleOf(words: readonly string[]): string | undefined {
  for (const [index, word] of words.entries()) {
    const [, value] = /^--?(?:bundle|b)(?:=(.*))?$/.exec(word) ?? [undefined, undefined];
    if (/^--?(?:bundle|b)$/.test(word)) return words[index + 1];
    if (value !== undefined) return value;
  }
  return undefined;
}
