import { expect } from "vitest";
import { test } from "./declaring.ts";

const BASE = "https://a.example/";
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

test("a base that gave wrong bytes is not asked for that path for a while, for others it is", ({
  declaring,
  clock,
}) => {
  const { quarantine } = declaring.index;
  const untilMs = quarantine.add(BASE, "p/bash.rpm", clock.nowMs);
  expect(untilMs).toBe(clock.nowMs + MINUTE_MS);
  expect(quarantine.until(BASE, "p/bash.rpm", clock.nowMs)).toBe(untilMs);
  expect(quarantine.until(BASE, "p/zsh.rpm", clock.nowMs)).toBeUndefined();
  expect(quarantine.until("https://b.example/", "p/bash.rpm", clock.nowMs)).toBeUndefined();
  expect(quarantine.until(BASE, "p/bash.rpm", untilMs)).toBeUndefined();
});

test("each time it is wrong again the wait doubles, up to a day", ({ declaring, clock }) => {
  const { quarantine } = declaring.index;
  const waits: number[] = [];
  for (let times = 0; times < 13; times++) {
    const untilMs = quarantine.add(BASE, "p/bash.rpm", clock.nowMs);
    waits.push(untilMs - clock.nowMs);
    clock.nowMs = untilMs;
  }
  expect(waits.slice(0, 4)).toEqual([1, 2, 4, 8].map((minutes) => minutes * MINUTE_MS));
  expect(waits.slice(-2)).toEqual([DAY_MS, DAY_MS]);
});

test("when a base was wrong last is told after any number of times, and forgotten when it is right", ({
  declaring,
  clock,
}) => {
  const { quarantine } = declaring.index;
  expect(quarantine.lastWrongMs(BASE, "p/bash.rpm")).toBeUndefined();
  for (let times = 0; times < 13; times++) {
    clock.advance(1_000);
    quarantine.add(BASE, "p/bash.rpm", clock.nowMs);
    expect(quarantine.lastWrongMs(BASE, "p/bash.rpm")).toBe(clock.nowMs);
  }
  quarantine.clear(BASE, "p/bash.rpm");
  expect(quarantine.lastWrongMs(BASE, "p/bash.rpm")).toBeUndefined();
});

test("a clock that is put back by years keeps no base away for years", ({ declaring, clock }) => {
  const { quarantine } = declaring.index;
  quarantine.add(BASE, "p/bash.rpm", clock.nowMs);
  expect(quarantine.until(BASE, "p/bash.rpm", clock.nowMs - 365 * DAY_MS)).toBeUndefined();
});

test("right bytes, or a week without wrong ones, let it begin anew", ({ declaring, clock }) => {
  const { quarantine } = declaring.index;
  quarantine.add(BASE, "p/bash.rpm", clock.nowMs);
  quarantine.clear(BASE, "p/bash.rpm");
  expect(quarantine.until(BASE, "p/bash.rpm", clock.nowMs)).toBeUndefined();
  expect(quarantine.add(BASE, "p/bash.rpm", clock.nowMs)).toBe(clock.nowMs + MINUTE_MS);
  clock.advance(8 * DAY_MS);
  expect(quarantine.add(BASE, "p/bash.rpm", clock.nowMs)).toBe(clock.nowMs + MINUTE_MS);
});
