import { once } from "node:events";
import { describeUsage } from "../status-report.ts";
import { careCommand } from "../store/care-command.ts";

/** `larder store rebuild`: the first signal ends it after the blob under way; the next start of larder goes on with the rest. */
export const rebuild = careCommand(async ({ door, watch }) => {
  const store = await door.rebuild();
  if (!watch.signal.aborted) await Promise.race([store.settled(), once(watch.signal, "abort")]);
  const isInterrupted = watch.signal.aborted;
  const usage = store.usage();
  return { json: { usage, isInterrupted }, lines: [`taken in: ${describeUsage(usage)}`], isInterrupted };
});
