import type { Watch } from "../../storage/maintenance/keeping.ts";
import type { Invocation } from "../line/invocation.ts";
import { note, print, printJson } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { type Config, loadConfig } from "../settings/config.ts";
import { openDoor, type StoreDoor } from "./door.ts";
import { interruptible } from "./interruptible.ts";
import { ProgressLine } from "./progress-line.ts";

/** What a command that cares for a store works with. */
export interface CareContext {
  readonly invocation: Invocation;
  readonly config: Config;
  readonly door: StoreDoor;
  readonly watch: Watch;
}

/** What a command has to say when it has done its work, or was interrupted. */
export interface CareReport {
  readonly json: unknown;
  readonly lines: readonly string[];
  readonly isInterrupted: boolean;
  /** Whether something is left that should not be: exit code 1. */
  readonly isAmiss?: boolean;
}

/** Runs a command that cares for a store: with progress, interruptible, and with its report as text or JSON. */
export function careCommand(work: (context: CareContext) => Promise<CareReport>) {
  return (invocation: Invocation): Promise<number> =>
    interruptible(async (signal) => {
      const config = loadConfig(invocation);
      const progress = new ProgressLine();
      const watch: Watch = { signal, onProgress: (now) => progress.show(now) };
      const door = await openDoor(config.settings, invocation.env);
      const report = await work({ invocation, config, door, watch }).finally(async () => {
        progress.clear();
        await door.close();
      });
      if (invocation.flags["json"] === true) printJson(report.json);
      else for (const line of report.lines) print(line);
      if (report.isInterrupted) note("interrupted; what was done stays done");
      return report.isAmiss === true ? EXIT.fault : EXIT.ok;
    });
}
