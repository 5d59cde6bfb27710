import { LarderError } from "../../core/errors.ts";
import { findRunning } from "../control/client.ts";
import { loopbackFor, removeFragments, writeEnvironment } from "../env/fragments.ts";
import type { Invocation } from "../line/invocation.ts";
import { EXIT } from "../line/usage.ts";
import { loadConfig } from "../settings/config.ts";

/** `larder env write`: what `serve` does at its start, by hand, for fragments that were lost or have aged. */
export async function writeEnv(invocation: Invocation): Promise<number> {
  const { root, baseImage } = loadConfig(invocation).settings;
  const [url] = (await (await findRunning(root, invocation.env))?.status())?.listening ?? [];
  if (url === undefined)
    throw new LarderError("NOT_RUNNING", `no larder serves ${root}; start one with \`larder serve\``);
  writeEnvironment(root, { proxyUrl: loopbackFor(url), baseImage });
  return EXIT.ok;
}

/** `larder env remove`: for fragments that a larder which was killed has left behind. */
export async function removeEnv(invocation: Invocation): Promise<number> {
  removeFragments(loadConfig(invocation).settings.root);
  return EXIT.ok;
}
