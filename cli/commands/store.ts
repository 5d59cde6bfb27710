import { systemClock } from "../../core/clock.ts";
import { LarderError } from "../../core/errors.ts";
import { findRunning } from "../control/client.ts";
import { describeUsage } from "../control/status-report.ts";
import type { Invocation } from "../line/invocation.ts";
import { formatBytes, print, printJson, tabulate } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { loadConfig } from "../settings/config.ts";
import { withStoreOnDisk } from "../store/open-store.ts";

const DEFAULT_LIMIT = 1000;

/** `larder store du` */
export async function storeUsage(invocation: Invocation): Promise<number> {
  const { settings } = loadConfig(invocation);
  const running = await findRunning(settings.root, invocation.env);
  const usage = await (running?.usage() ?? withStoreOnDisk(settings, (store) => store.usage()));
  if (invocation.flags["json"] === true) printJson(usage);
  else print(`${settings.root}: ${describeUsage(usage, systemClock())}`);
  return EXIT.ok;
}

/** `larder store ls`: reads the index itself, so that a running larder has no work with it. */
export async function storeList(invocation: Invocation): Promise<number> {
  const { settings } = loadConfig(invocation);
  const [containing] = invocation.operands;
  const limit = readLimit(invocation.flags["limit"]);
  const options = containing === undefined ? { limit } : { limit, containing };
  const listed = await withStoreOnDisk(settings, (store) => store.list(options));
  if (invocation.flags["json"] === true) {
    printJson(listed);
    return EXIT.ok;
  }
  const rows = listed.map(({ digest, bytes, lastUsedMs, uri }) => [
    digest.slice(0, 12),
    formatBytes(bytes),
    new Date(lastUsedMs).toISOString(),
    uri,
  ]);
  for (const line of tabulate(rows)) print(line);
  return EXIT.ok;
}

function readLimit(written: unknown): number {
  if (written === undefined) return DEFAULT_LIMIT;
  const limit = Number(written);
  if (Number.isSafeInteger(limit) && limit > 0) return limit;
  throw new LarderError("USAGE", `--limit is ${JSON.stringify(written)}; allowed: a whole number above zero`);
}
