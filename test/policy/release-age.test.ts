import { describe, expect, test } from "vitest";
import { isTooYoung } from "../../policy/release-age.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const NOW_MS = Date.UTC(2026, 0, 31);
const release = (name: string | undefined, days: number | undefined) => ({
  name,
  version: "1.0",
  publishedMs: days === undefined ? undefined : NOW_MS - days * DAY_MS,
});
const rules = (days: number, ...allow: string[]) => ({ minReleaseAgeMs: days * DAY_MS, minReleaseAgeAllow: allow });

describe("a release is too young", () => {
  test.for([
    [6.9, true],
    [7, false],
    [8, false],
    [-1, true],
    [undefined, false],
  ] as const)("at %s days, of 7: %s", ([days, isYoung]) => {
    expect(isTooYoung(release("a", days), rules(7), NOW_MS)).toBe(isYoung);
  });

  test("never, when nobody said how old it must be", () => {
    expect(isTooYoung(release("a", 0), rules(0), NOW_MS)).toBe(false);
  });
});

test.for([
  ["@scope/*", "@scope/a", true],
  ["@scope/*", "@scoped/a", false],
  ["requests", "requests", true],
  ["Requests", "requests", true],
  ["requests", "requests2", false],
  ["a*b*c", "axxbxxc", true],
  ["a*b*c", "axxc", false],
  ["a*bc*c", "abc", false],
  ["ab*ba", "aba", false],
  ["*", "anything", true],
] as const)("%s allows %s: %s", ([pattern, name, isAllowed]) => {
  expect(isTooYoung(release(name, 1), rules(7, pattern), NOW_MS)).toBe(!isAllowed);
});

test("what has no name is allowed by none", () => {
  expect(isTooYoung(release(undefined, 1), rules(7, "*"), NOW_MS)).toBe(true);
});
