import type { Figures, Spread } from "./figures.ts";
import type { Discipline } from "./heat.ts";
import type { Machine } from "./machine.ts";
import type { Scenario } from "./scenarios.ts";

export interface Preface {
  readonly machine: Machine;
  /** Name and version of each contestant that is there. */
  readonly versions: readonly string[];
  readonly rounds: number;
}

const COLUMNS = ["CPU × baseline", "CPU", "peak RSS × baseline"] as const;
const NAME_WIDTH = 10;
const COLUMN_WIDTH = 26;

export function formatPreface({ machine, versions, rounds }: Preface): string {
  const { processor, cores, memoryGiB, kernel } = machine;
  return [
    `${processor}, ${cores} cores, ${memoryGiB} GiB, ${kernel}; ${versions.join(", ")}`,
    `${rounds} rounds by turns after one that does not count; min / median / max of the rounds`,
  ].join("\n");
}

/** One heat as a table for people. */
export function formatHeat({ scenario, scheme }: Discipline, figures: Readonly<Record<string, Figures>>): string {
  const way = scheme === "http" ? "plain http" : "intercepted https";
  const rows = Object.entries(figures).map(([name, row]) => formatRow([name, ...cellsOf(row, scenario)]));
  return [`${scenario.name}, ${way}: ${describe(scenario)}`, formatRow(["", ...COLUMNS]), ...rows].join("\n");
}

function describe({ requests, bytes, distinct, connections }: Scenario): string {
  const size = bytes < 2 ** 20 ? `${bytes / 2 ** 10} KiB` : `${bytes / 2 ** 20} MiB`;
  return `${requests} × ${size} a round, ${distinct} URIs, ${connections} connections`;
}

function cellsOf(figures: Figures, { per }: Scenario): readonly string[] {
  if (figures.state === "absent") return [figures.reason];
  if (figures.state === "failed") return [`FAILED: ${figures.reason}`];
  const { ratio, cpuSeconds, rssRatio, peakRssBytes } = figures;
  const cpu = per === "request" ? `${formatSpread(cpuSeconds, 1e6, 0)} µs` : `${formatSpread(cpuSeconds, 1, 2)} s/GB`;
  const rss = `${rssRatio.toFixed(2)} (${Math.round(peakRssBytes / 1e6)} MB)`;
  return [formatSpread(ratio, 1, 2), cpu, rss];
}

function formatSpread({ min, median, max }: Spread, scale: number, digits: number): string {
  return [min, median, max].map((value) => (value * scale).toFixed(digits)).join(" / ");
}

function formatRow([name = "", ...cells]: readonly string[]): string {
  return `  ${name.padEnd(NAME_WIDTH)}${cells.map((cell) => cell.padEnd(COLUMN_WIDTH)).join("")}`.trimEnd();
}
