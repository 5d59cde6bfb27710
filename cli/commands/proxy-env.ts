import { loadConfig } from "../config.ts";
import { readFragments } from "../env-files.ts";
import type { Invocation } from "../invocation.ts";
import { note } from "../output.ts";
import { EXIT } from "../usage.ts";

/**
 * `larder proxy-env`: the fragments on disk, verbatim. No network, no proxy loaded. Without fragments it prints nothing and
 * still succeeds, so that a recipe which evaluates it builds without a proxy, too.
 */
export async function proxyEnv(invocation: Invocation): Promise<number> {
  const { root } = loadConfig(invocation).settings;
  const fragments = readFragments(root);
  if (fragments === "") note(`no proxy serves ${root}; start one with \`larder serve\``);
  process.stdout.write(fragments);
  return EXIT.ok;
}
