import { systemClock } from "../../core/clock.ts";
import { findRunning } from "../control/client.ts";
import { describeStatus } from "../control/status-report.ts";
import type { Invocation } from "../line/invocation.ts";
import { note, print, printJson } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { loadConfig } from "../settings/config.ts";

/** `larder status`: exit 1 when no larder serves this store, so that a script can ask. */
export async function status(invocation: Invocation): Promise<number> {
  const { root } = loadConfig(invocation).settings;
  const report = await (await findRunning(root, invocation.env))?.status();
  const isJson = invocation.flags["json"] === true;
  if (isJson) printJson({ running: report !== undefined, ...(report ?? { root }) });
  else if (report === undefined) note(`NOT_RUNNING: no larder serves ${root}; start one with \`larder serve\``);
  else for (const line of describeStatus(report, systemClock())) print(line);
  return report === undefined ? EXIT.fault : EXIT.ok;
}
