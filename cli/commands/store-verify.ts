import type { StoreKeeping } from "../../storage/maintenance/keeping.ts";
import { type Finding, type StepReport, verifyStore } from "../../storage/maintenance/verify.ts";
import { formatBytes } from "../line/output.ts";
import { careCommand } from "../store/care-command.ts";
import { countOf } from "../store/count.ts";
import { withStoreOnDisk } from "../store/open-store.ts";

/**
 * `larder store verify`: reads in this process, beside the larder that serves the store or without any; only what looks wrong
 * is taken to whoever writes it. Exit code 1 when something is wrong and was not repaired.
 */
export const verify = careCommand(async ({ invocation, config, door, watch }) => {
  const keeping: Pick<StoreKeeping, "judge"> = {
    judge: async (order, judging) => (await door.care()).judge(order, judging),
  };
  const repair = invocation.flags["repair"] === true;
  const steps = await withStoreOnDisk(config.settings, async ({ db, layout }) => {
    const reports: StepReport[] = [];
    for await (const report of verifyStore({ db, layout, keeping, repair }, watch)) reports.push(report);
    return reports;
  });
  const findings = steps.flatMap((step) => step.findings);
  const unrepaired = findings.filter(({ verdict }) => verdict !== "repaired").length;
  return {
    json: { steps, unrepaired, isInterrupted: watch.signal.aborted },
    lines: [...findings.map(describeFinding), ...steps.map(describeStep), ...adviceOn(unrepaired, repair)],
    isInterrupted: watch.signal.aborted,
    isAmiss: unrepaired > 0,
  };
});

function describeFinding({ step, name, reason, verdict }: Finding): string {
  return `${step}: ${name}: ${reason} (${verdict})`;
}

function describeStep({ step, checked, bytes, findings }: StepReport): string {
  const hashed = bytes === 0 ? "" : `, ${formatBytes(bytes)} hashed`;
  const found = findings.length === 0 ? "all well" : `${findings.length} wrong`;
  return `${step}: ${checked} checked${hashed}, ${found}`;
}

function adviceOn(unrepaired: number, repair: boolean): string[] {
  if (unrepaired === 0 || repair) return [];
  return [`${countOf(unrepaired, "thing")} to repair: larder store verify --repair`];
}
