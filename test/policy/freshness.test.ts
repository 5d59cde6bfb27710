import fc from "fast-check";
import CachePolicy from "http-cache-semantics";
import { describe, expect, test } from "vitest";
import type { Entry } from "../../core/entry.ts";
import { toRecord } from "../../core/fields.ts";
import { ageSeconds, freshForSeconds } from "../../policy/freshness.ts";
import type { PlanContext } from "../../policy/plan.ts";
import { dateIn, makeContext, makeEntry, NOW_MS } from "./make.ts";

describe("age (RFC 9111 §4.2.3)", () => {
  test("is the time since the response came, in whole seconds", () => {
    expect(ageSeconds(makeEntry([], { agoSeconds: 90 }), NOW_MS)).toBe(90);
    expect(ageSeconds(makeEntry([], { agoSeconds: 90 }), NOW_MS + 999)).toBe(90);
  });

  test("adds the Age that the response came with", () => {
    expect(ageSeconds(makeEntry(["Age", "30"], { agoSeconds: 90 }), NOW_MS)).toBe(120);
  });

  test("takes Date for an older origin when Age says less", () => {
    expect(ageSeconds(makeEntry(["Age", "30", "Date", dateIn(-100)]), NOW_MS)).toBe(100);
  });

  test("counts the time that the response was under way", () => {
    const entry = makeEntry([], { requestMs: NOW_MS - 5000 });
    expect(ageSeconds(entry, NOW_MS)).toBe(5);
  });

  test("does not count the fractions of a second that Date cannot show", () => {
    const entry = makeEntry(["Date", dateIn(0)], { requestMs: NOW_MS + 990, responseMs: NOW_MS + 990 });
    expect(ageSeconds(entry, NOW_MS + 1100)).toBe(0);
  });

  test.each([
    ["abc", 0],
    ["-7200", 0],
    ["7200.0", 0],
    ["7200, 0", 7200],
    ["0, 7200", 0],
    ["2147483649", 2 ** 31],
  ])("reads `Age: %s` by its first member, and ignores what is no delta-seconds (§5.1)", (age, seconds) => {
    expect(ageSeconds(makeEntry(["Age", age]), NOW_MS)).toBe(seconds);
  });

  test("reads the first of two Age lines (§5.1)", () => {
    expect(ageSeconds(makeEntry(["Age", "7200", "Age", "0"]), NOW_MS)).toBe(7200);
  });

  test("is never below 0, whatever the clocks", () => {
    expect(ageSeconds(makeEntry(["Date", dateIn(3600)]), NOW_MS - 5000)).toBe(0);
  });
});

test("a response from the future is too old for any lifetime, but for what clocks are put back by every day", () => {
  expect(ageSeconds(makeEntry([]), NOW_MS - 30_000)).toBe(0);
  expect(ageSeconds(makeEntry([]), NOW_MS - 3_600_000)).toBe(2 ** 31);
});

describe("freshness lifetime (RFC 9111 §4.2.1)", () => {
  const freshFor = (fields: string[], context: Partial<PlanContext> = {}, changes: Partial<Entry> = {}): number =>
    freshForSeconds(makeEntry(fields, changes), makeContext(context));

  test("is s-maxage, else max-age, else Expires less Date", () => {
    const expires = ["Expires", dateIn(300)];
    expect(freshFor(["Cache-Control", "max-age=200, s-maxage=100", ...expires])).toBe(100);
    expect(freshFor(["Cache-Control", "max-age=200", ...expires])).toBe(200);
    expect(freshFor(expires)).toBe(300);
  });

  test("is that of several Cache-Control lines together", () => {
    expect(freshFor(["Cache-Control", "max-age=3600", "Cache-Control", "s-maxage=1"])).toBe(1);
  });

  test.each([
    ["a max-age that is no number", ["Cache-Control", "max-age=a100", "Expires", dateIn(300)]],
    ["max-age=0 before a later Expires", ["Cache-Control", "max-age=0", "Expires", dateIn(300)]],
    ["an Expires in the past", ["Expires", dateIn(-10)]],
    ["`Expires: 0` (§5.3)", ["Expires", "0"]],
    ["two Expires lines", ["Expires", dateIn(10), "Expires", dateIn(10)]],
    ["an Expires before a fast Date", ["Expires", dateIn(300), "Date", dateIn(400)]],
    ["an unqualified no-cache (§5.2.2.4)", ["Cache-Control", "max-age=100, no-cache"]],
  ])("is 0 with %s", (_, fields) => {
    expect(freshFor([...fields, "Last-Modified", dateIn(-100_000)])).toBe(0);
  });

  test("counts Expires from the arrival when Date is no date", () => {
    expect(freshFor(["Date", "foo", "Expires", dateIn(10)])).toBe(10);
  });

  test("is not touched by directives that are about staleness", () => {
    expect(freshFor(["Cache-Control", "max-age=60, must-revalidate, proxy-revalidate"])).toBe(60);
    expect(freshFor(["Cache-Control", 'max-age=60, no-cache="set-cookie"'])).toBe(60);
  });

  test("is a tenth of the time since the last modification where nothing is said, a day at most (§4.2.2)", () => {
    expect(freshFor(["Last-Modified", dateIn(-1000)])).toBe(100);
    expect(freshFor(["Last-Modified", dateIn(-100 * 86_400)])).toBe(86_400);
    expect(freshFor(["Last-Modified", dateIn(1000)])).toBe(0);
    expect(freshFor([])).toBe(0);
  });

  test("has no upper bound for a payload, whose name keeps its bytes", () => {
    expect(freshFor(["Last-Modified", dateIn(-100 * 86_400)], { class: "payload" })).toBe(10 * 86_400);
  });

  test.each([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])(
    "may be heuristic with status %i (RFC 9110 §15.1)",
    (status) => {
      expect(freshFor(["Last-Modified", dateIn(-1000)], {}, { status })).toBe(100);
    },
  );

  test.each([201, 202, 302, 403, 500, 502, 503, 504, 599])("is heuristic with status %i only if public", (status) => {
    const modified = ["Last-Modified", dateIn(-1000)];
    expect(freshFor(modified, {}, { status })).toBe(0);
    expect(freshFor([...modified, "Cache-Control", "public"], {}, { status })).toBe(100);
  });

  test("of a root is its explicit one, rootFreshForMs at most, and never heuristic", () => {
    expect(freshFor(["Cache-Control", "max-age=60"], { class: "root" })).toBe(60);
    expect(freshFor(["Cache-Control", "max-age=6000"], { class: "root" })).toBe(300);
    expect(freshFor(["Cache-Control", "max-age=6000"], { class: "root", rootFreshForMs: 0 })).toBe(0);
    expect(freshFor(["Last-Modified", dateIn(-100_000)], { class: "root" })).toBe(0);
  });

  test("of a member is its explicit one, and never heuristic", () => {
    expect(freshFor(["Cache-Control", "max-age=6000"], { class: "member" })).toBe(6000);
    expect(freshFor(["Last-Modified", dateIn(-100_000)], { class: "member" })).toBe(0);
  });

  test("agrees with http-cache-semantics wherever that reads the fields as RFC 9111 does", () => {
    const delta = fc.integer({ min: 0, max: 1_000_000 });
    const arbitrary = fc.record({
      maxAge: fc.option(delta, { nil: undefined }),
      sMaxAge: fc.option(delta, { nil: undefined }),
      expiresIn: fc.option(delta, { nil: undefined }),
      modifiedAgo: fc.option(fc.integer({ min: 0, max: 800_000 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(arbitrary, ({ maxAge, sMaxAge, expiresIn, modifiedAgo }) => {
        const directives: string[] = [];
        if (maxAge !== undefined) directives.push(`max-age=${maxAge}`);
        if (sMaxAge !== undefined) directives.push(`s-maxage=${sMaxAge}`);
        const fields = ["Date", dateIn(0)];
        if (directives.length > 0) fields.push("Cache-Control", directives.join(", "));
        if (expiresIn !== undefined) fields.push("Expires", dateIn(expiresIn));
        if (modifiedAgo !== undefined) fields.push("Last-Modified", dateIn(-modifiedAgo));
        const oracle = new CachePolicy({ headers: {} }, { status: 200, headers: toRecord(fields) });
        expect(freshForSeconds(makeEntry(fields), makeContext())).toBe(Math.floor(oracle.maxAge()));
      }),
    );
  });
});

describe("a name that its format never gives to other bytes", () => {
  const silent = { status: 200, fields: [], responseMs: 0 };

  test("is fresh for a month where the registry says nothing (RFC 9111 §4.2.2)", () => {
    const month = 30 * 24 * 60 * 60;
    expect(freshForSeconds(silent, { class: "payload", rootFreshForMs: 0, isImmutable: true })).toBe(month);
    expect(freshForSeconds(silent, { class: "payload", rootFreshForMs: 0 })).toBe(0);
  });

  test("keeps to what the registry does say", () => {
    const told = { ...silent, fields: ["Cache-Control", "max-age=60"] };
    expect(freshForSeconds(told, { class: "payload", rootFreshForMs: 0, isImmutable: true })).toBe(60);
    const failed = { ...silent, status: 404 };
    expect(freshForSeconds(failed, { class: "payload", rootFreshForMs: 0, isImmutable: true })).toBe(0);
  });
});
