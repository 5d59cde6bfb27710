import type { Heat, NotMeasured, Outcome } from "./heat.ts";

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/**
 * One contestant's part of a heat. Nothing is told without what it is compared with: `ratio` is against the baseline.
 */
export type Figures =
  | {
      readonly state: "measured";
      /** CPU over that of the baseline in the same round. */
      readonly ratio: Spread;
      /** CPU seconds per unit of the scenario. */
      readonly cpuSeconds: Spread;
      /** Peak RSS over that of the baseline. */
      readonly rssRatio: number;
      readonly peakRssBytes: number;
    }
  | NotMeasured;

/** Figures by the name of the contestant. @param baseline the name of the one that the others are compared with */
export function compare({ outcomes }: Heat, baseline: string): Readonly<Record<string, Figures>> {
  const yardstick = outcomes.get(baseline);
  return Object.fromEntries([...outcomes].map(([name, outcome]) => [name, figuresOf(outcome, yardstick)]));
}

function figuresOf(outcome: Outcome, yardstick: Outcome | undefined): Figures {
  if (outcome.state !== "measured") return outcome;
  if (yardstick?.state !== "measured") return { state: "failed", reason: "the baseline, to compare it with, failed" };
  const ratios = outcome.cpuSeconds.map((seconds, round) => seconds / (yardstick.cpuSeconds[round] ?? Number.NaN));
  return {
    state: "measured",
    ratio: spreadOf(ratios),
    cpuSeconds: spreadOf(outcome.cpuSeconds),
    rssRatio: outcome.peakRssBytes / yardstick.peakRssBytes,
    peakRssBytes: outcome.peakRssBytes,
  };
}

/** @param values one a round; at least one */
function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return { min: at(0), median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, max: at(sorted.length - 1) };
}
