import { createAuthority } from "../test/support/authority.ts";
import { baseline } from "./contestants/baseline.ts";
import { compare, type Figures } from "./figures.ts";
import { type Discipline, runHeat } from "./heat.ts";
import { describeMachine } from "./machine.ts";
import { type Plan, planOf, USAGE } from "./plan.ts";
import { formatHeat, formatPreface, type Preface } from "./report.ts";
import { Traffic } from "./traffic.ts";
import { Workbench } from "./workbench.ts";

interface Result extends Discipline {
  readonly figures: Readonly<Record<string, Figures>>;
}

/** Runs the plan, tells each heat as it ends, and gives them all. */
async function run(workbench: Workbench, plan: Plan, tell: (result: Result) => void): Promise<readonly Result[]> {
  const authority = await createAuthority(await workbench.makeFolder("authority"));
  const traffic = await Traffic.start(workbench, authority);
  const results: Result[] = [];
  for (const discipline of plan.disciplines) {
    const heat = await runHeat({ workbench, authority, traffic }, discipline, plan);
    const result = { ...discipline, figures: compare(heat, baseline.name) };
    tell(result);
    results.push(result);
  }
  return results;
}

async function prefaceOf({ contestants, rounds }: Plan): Promise<Preface> {
  const versions = await Promise.all(contestants.map((contestant) => contestant.version()));
  return { machine: describeMachine(), versions: versions.filter((version) => version !== undefined), rounds };
}

async function main(): Promise<void> {
  const plan = planOf(process.argv.slice(2));
  const preface = await prefaceOf(plan);
  const workbench = await Workbench.open();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void workbench.close().then(() => process.exit(1)));
  try {
    if (!plan.json) console.log(formatPreface(preface));
    const tell = ({ figures, ...discipline }: Result) => console.log(`\n${formatHeat(discipline, figures)}`);
    const results = await run(workbench, plan, plan.json ? () => undefined : tell);
    if (plan.json) console.log(JSON.stringify({ ...preface, results }, undefined, 2));
    const failed = results.some(({ figures }) => Object.values(figures).some(({ state }) => state === "failed"));
    if (failed) process.exitCode = 1;
  } finally {
    await workbench.close();
  }
}

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  console.error(USAGE);
  process.exitCode = 2;
});
