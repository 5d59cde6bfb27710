import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { createLearner } from "../../learn/learner.ts";
import { type Relearnt, relearn } from "../../learn/relearn.ts";
import type { LocalStore } from "../../storage/local-store.ts";
import { endRelearning } from "../../storage/lost-index.ts";
import type { Watch } from "../../storage/maintenance/keeping.ts";
import type { Settings } from "../settings/config.ts";
import { openOwnDeclarations } from "./open-store.ts";

export interface RelearnOrder {
  readonly settings: Pick<Settings, "root" | "delegate">;
  readonly watch: Watch;
  readonly clock: Clock;
  readonly log: Log;
}

/** Learns again what the metadata in a store declares that this process holds. @throws LarderError `STORE_…` */
export async function relearnStore(
  store: Pick<LocalStore, "find" | "openBlob" | "settled" | "parts">,
  { settings, watch, clock, log }: RelearnOrder,
): Promise<Relearnt> {
  const index = openOwnDeclarations(settings, { clock, log });
  const learner = createLearner({ rootDir: settings.root, index, clock, log });
  try {
    const relearnt = await relearn({ store, index, learner, watch });
    if (!relearnt.isInterrupted) endRelearning(store.parts.layout);
    return relearnt;
  } finally {
    await learner.close();
    index.close();
  }
}
