import { once } from "node:events";
import { systemClock } from "../../core/clock.ts";
import { LarderError } from "../../core/errors.ts";
import { layoutOf } from "../../storage/layout.ts";
import { isSound } from "../../storage/lost-index.ts";
import { indexFile } from "../../storage/schema.ts";
import { describeUsage } from "../control/status-report.ts";
import { careCommand } from "../store/care-command.ts";
import { countOf } from "../store/count.ts";
import { noteLog } from "../store/door.ts";
import { relearnStore } from "../store/relearn-store.ts";

/**
 * `larder store rebuild`: the first signal ends it after the blob under way; the next start of larder goes on with the
 * rest.
 */
export const rebuild = careCommand(async ({ door, watch, config, invocation }) => {
  if (invocation.flags["force"] !== true && door.running === undefined) refuseSound(config.settings.root);
  const store = await door.rebuild();
  if (!watch.signal.aborted) await Promise.race([store.settled(), once(watch.signal, "abort")]);
  const { settings } = config;
  const { documents, isInterrupted } = await relearnStore(store, { settings, watch, clock: systemClock, log: noteLog });
  const usage = store.usage();
  const learnt = `learnt again: ${countOf(documents, "document")} of metadata`;
  const lines = [`taken in: ${describeUsage(usage, systemClock())}`, learnt];
  return { json: { usage, documents, isInterrupted }, lines, isInterrupted };
});

/** A copy knows less than the index, and a new one knows no URL: nobody should lose that for nothing. */
function refuseSound(root: string): void {
  if (!isSound(indexFile(layoutOf(root)))) return;
  const message = `the index of ${root} is sound, and its copy, or a new one, knows less of its URLs; add --force to go back all the same`;
  throw new LarderError("USAGE", message, { details: { root } });
}
