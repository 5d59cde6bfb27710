import { expect, test } from "vitest";
import { compare, type Figures } from "../../bench/figures.ts";
import type { Outcome } from "../../bench/heat.ts";
import type { Scenario } from "../../bench/scenarios.ts";

const SCENARIO: Scenario = {
  name: "any",
  kind: "hits",
  bytes: 1,
  requests: 1,
  distinct: 1,
  connections: 1,
  per: "request",
};

function compareWithBare(outcomes: Readonly<Record<string, Outcome>>): Readonly<Record<string, Figures>> {
  return compare({ scenario: SCENARIO, scheme: "http", outcomes: new Map(Object.entries(outcomes)) }, "bare");
}

test("the ratio of a round is against the baseline of the same round, not of another", () => {
  const figures = compareWithBare({
    bare: { state: "measured", cpuSeconds: [1, 2, 4], peakRssBytes: 50 },
    other: { state: "measured", cpuSeconds: [3, 4, 4], peakRssBytes: 75 },
  });
  expect(figures["other"]).toMatchObject({
    ratio: { min: 1, median: 2, max: 3 },
    cpuSeconds: { min: 3, median: 4, max: 4 },
    rssRatio: 1.5,
  });
});

test("the median of an even number of rounds lies between the middle two", () => {
  const figures = compareWithBare({ bare: { state: "measured", cpuSeconds: [4, 1, 2, 8], peakRssBytes: 1 } });
  expect(figures["bare"]).toMatchObject({ cpuSeconds: { min: 1, median: 3, max: 8 } });
});

test("no figure is told when there is nothing to compare it with", () => {
  const figures = compareWithBare({
    bare: { state: "failed", reason: "it ended" },
    other: { state: "measured", cpuSeconds: [1], peakRssBytes: 1 },
  });
  expect(figures["other"]?.state).toBe("failed");
});

test("a contestant that is not installed stays absent with its reason", () => {
  const absent: Outcome = { state: "absent", reason: "not installed" };
  expect(compareWithBare({ other: absent })["other"]).toEqual(absent);
});
