import { expect, test } from "vitest";
import { planOf } from "../../bench/plan.ts";

const describePlan = (...args: string[]) => {
  const { disciplines, contestants } = planOf(args);
  return {
    disciplines: disciplines.map(({ scenario, scheme }) => `${scenario.name} ${scheme}`),
    contestants: contestants.map(({ name }) => name),
  };
};

test("without names everything is measured on both schemes, the baseline first", () => {
  const { disciplines, contestants } = describePlan();
  expect(disciplines).toHaveLength(8);
  expect(contestants).toEqual(["baseline", "larder", "squid", "nginx"]);
});

test("names narrow scenarios, schemes and contestants down, and never the baseline away", () => {
  expect(describePlan("squid", "https", "large-hits")).toEqual({
    disciplines: ["large-hits https"],
    contestants: ["baseline", "squid"],
  });
});

test("a name that means nothing is an error that repeats it", () => {
  expect(() => planOf(["smal-hits"])).toThrow("smal-hits");
});

test.each(["0", "1.5", "many"])("%s is no number of rounds", (rounds) => {
  expect(() => planOf(["--rounds", rounds])).toThrow(rounds);
});

test("another build of larder takes part under its own name", () => {
  expect(describePlan("larder", "--beside", "before=old/dist/cli/main.js").contestants).toEqual([
    "baseline",
    "larder",
    "before",
  ]);
});

test.each(["old/main.js", "squid=old/main.js", "before="])("--beside %s is refused", (beside) => {
  expect(() => planOf(["--beside", beside])).toThrow(beside);
});
