import { systemClock } from "../../core/clock.ts";
import { LarderError } from "../../core/errors.ts";
import { Candidates } from "../../storage/eviction/candidates.ts";
import type { CollectOrder } from "../../storage/maintenance/keeping.ts";
import { formatBytes } from "../line/output.ts";
import { parseDurationMs } from "../settings/readers.ts";
import { type CareContext, type CareReport, careCommand } from "../store/care-command.ts";
import { countOf } from "../store/count.ts";
import { maxBytesOf, withStoreOnDisk } from "../store/open-store.ts";

/** `larder store gc` */
export const collectGarbage = careCommand(async (context) => {
  const order = await orderOf(context);
  if (context.invocation.flags["dryRun"] === true) return foretell(context, order);
  const collected = await (await context.door.care()).collect(order, context.watch);
  const { blobs, bytes, unnamedFiles, isInterrupted } = collected;
  const unnamed = unnamedFiles === 0 ? "" : `; removed ${countOf(unnamedFiles, "file")} that nothing named`;
  return {
    json: collected,
    lines: [`evicted ${countOf(blobs, "blob")}, ${formatBytes(bytes)}${unnamed}`],
    isInterrupted,
  };
});

/**
 * A limit given here is for this time only. Without any bound the store's own limit holds, which a running larder knows
 * best.
 */
async function orderOf({ invocation, config, door }: CareContext): Promise<CollectOrder> {
  const olderThanMs = readOlderThan(invocation.flags["olderThan"]);
  const isLimitGiven = config.origins.maxBytes.from === "flag";
  const needsLimit = isLimitGiven || (olderThanMs === undefined && door.running === undefined);
  return {
    ...(olderThanMs === undefined ? {} : { olderThanMs }),
    ...(needsLimit ? { maxBytes: await maxBytesOf(config.settings) } : {}),
  };
}

async function foretell({ config, door }: CareContext, order: CollectOrder): Promise<CareReport> {
  const { maxBytes, olderThanMs } = order;
  const hasBound = maxBytes !== undefined || olderThanMs !== undefined;
  const bounds = {
    maxBytes: hasBound ? maxBytes : (await door.running?.usage())?.maxBytes,
    usedBeforeMs: olderThanMs === undefined ? undefined : systemClock() - olderThanMs,
  };
  const sum = await withStoreOnDisk(config.settings, ({ db }) => new Candidates(db).sumBeyond(bounds));
  return {
    json: { ...sum, isDryRun: true },
    lines: [`would evict ${countOf(sum.blobs, "blob")}, ${formatBytes(sum.bytes)}`],
    isInterrupted: false,
  };
}

function readOlderThan(written: unknown): number | undefined {
  if (written === undefined) return undefined;
  const olderThanMs = parseDurationMs(String(written));
  if (olderThanMs !== undefined) return olderThanMs;
  throw new LarderError("USAGE", `--older-than is ${JSON.stringify(written)}; allowed: a time such as 12h or 30d`);
}
