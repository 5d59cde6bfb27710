import fc from "fast-check";
import CachePolicy from "http-cache-semantics";
import { describe, expect, it } from "vitest";
import type { Entry } from "../../core/entry.ts";
import { toRecord } from "../../core/fields.ts";
import { ageSeconds, freshenByHead, freshenFields, freshForSeconds, mayServeStale } from "../../policy/freshness.ts";
import type { PlanContext } from "../../policy/plan.ts";
import { dateIn, makeContext, makeEntry, makeRequest, NOW_MS } from "./make.ts";

describe("age (RFC 9111 §4.2.3)", () => {
  it("is the time since the response came, in whole seconds", () => {
    expect(ageSeconds(makeEntry([], { agoSeconds: 90 }), NOW_MS)).toBe(90);
    expect(ageSeconds(makeEntry([], { agoSeconds: 90 }), NOW_MS + 999)).toBe(90);
  });

  it("adds the Age that the response came with", () => {
    expect(ageSeconds(makeEntry(["Age", "30"], { agoSeconds: 90 }), NOW_MS)).toBe(120);
  });

  it("takes Date for an older origin when Age says less", () => {
    expect(ageSeconds(makeEntry(["Age", "30", "Date", dateIn(-100)]), NOW_MS)).toBe(100);
  });

  it("counts the time that the response was under way", () => {
    const entry = makeEntry([], { requestMs: NOW_MS - 5000 });
    expect(ageSeconds(entry, NOW_MS)).toBe(5);
  });

  it("does not count the fractions of a second that Date cannot show", () => {
    const entry = makeEntry(["Date", dateIn(0)], { requestMs: NOW_MS + 990, responseMs: NOW_MS + 990 });
    expect(ageSeconds(entry, NOW_MS + 1100)).toBe(0);
  });

  it.each([
    ["abc", 0],
    ["-7200", 0],
    ["7200.0", 0],
    ["7200, 0", 7200],
    ["0, 7200", 0],
    ["2147483649", 2 ** 31],
  ])("reads `Age: %s` by its first member, and ignores what is no delta-seconds (§5.1)", (age, seconds) => {
    expect(ageSeconds(makeEntry(["Age", age]), NOW_MS)).toBe(seconds);
  });

  it("reads the first of two Age lines (§5.1)", () => {
    expect(ageSeconds(makeEntry(["Age", "7200", "Age", "0"]), NOW_MS)).toBe(7200);
  });

  it("is never below 0, whatever the clocks", () => {
    expect(ageSeconds(makeEntry(["Date", dateIn(3600)]), NOW_MS - 5000)).toBe(0);
  });
});

it("a response from the future is too old for any lifetime, but for what clocks are put back by every day", () => {
  expect(ageSeconds(makeEntry([]), NOW_MS - 30_000)).toBe(0);
  expect(ageSeconds(makeEntry([]), NOW_MS - 3_600_000)).toBe(2 ** 31);
});

describe("freshness lifetime (RFC 9111 §4.2.1)", () => {
  const freshFor = (fields: string[], context: Partial<PlanContext> = {}, changes: Partial<Entry> = {}): number =>
    freshForSeconds(makeEntry(fields, changes), makeContext(context));

  it("is s-maxage, else max-age, else Expires less Date", () => {
    const expires = ["Expires", dateIn(300)];
    expect(freshFor(["Cache-Control", "max-age=200, s-maxage=100", ...expires])).toBe(100);
    expect(freshFor(["Cache-Control", "max-age=200", ...expires])).toBe(200);
    expect(freshFor(expires)).toBe(300);
  });

  it("is that of several Cache-Control lines together", () => {
    expect(freshFor(["Cache-Control", "max-age=3600", "Cache-Control", "s-maxage=1"])).toBe(1);
  });

  it.each([
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

  it("counts Expires from the arrival when Date is no date", () => {
    expect(freshFor(["Date", "foo", "Expires", dateIn(10)])).toBe(10);
  });

  it("is not touched by directives that are about staleness", () => {
    expect(freshFor(["Cache-Control", "max-age=60, must-revalidate, proxy-revalidate"])).toBe(60);
    expect(freshFor(["Cache-Control", 'max-age=60, no-cache="set-cookie"'])).toBe(60);
  });

  it("is a tenth of the time since the last modification where nothing is said, a day at most (§4.2.2)", () => {
    expect(freshFor(["Last-Modified", dateIn(-1000)])).toBe(100);
    expect(freshFor(["Last-Modified", dateIn(-100 * 86_400)])).toBe(86_400);
    expect(freshFor(["Last-Modified", dateIn(1000)])).toBe(0);
    expect(freshFor([])).toBe(0);
  });

  it("has no upper bound for a payload, whose name keeps its bytes", () => {
    expect(freshFor(["Last-Modified", dateIn(-100 * 86_400)], { class: "payload" })).toBe(10 * 86_400);
  });

  it.each([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])(
    "may be heuristic with status %i (RFC 9110 §15.1)",
    (status) => {
      expect(freshFor(["Last-Modified", dateIn(-1000)], {}, { status })).toBe(100);
    },
  );

  it.each([201, 202, 302, 403, 500, 502, 503, 504, 599])("is heuristic with status %i only if public", (status) => {
    const modified = ["Last-Modified", dateIn(-1000)];
    expect(freshFor(modified, {}, { status })).toBe(0);
    expect(freshFor([...modified, "Cache-Control", "public"], {}, { status })).toBe(100);
  });

  it("of a root is its explicit one, rootFreshForMs at most, and never heuristic", () => {
    expect(freshFor(["Cache-Control", "max-age=60"], { class: "root" })).toBe(60);
    expect(freshFor(["Cache-Control", "max-age=6000"], { class: "root" })).toBe(300);
    expect(freshFor(["Cache-Control", "max-age=6000"], { class: "root", rootFreshForMs: 0 })).toBe(0);
    expect(freshFor(["Last-Modified", dateIn(-100_000)], { class: "root" })).toBe(0);
  });

  it("of a member is its explicit one, and never heuristic", () => {
    expect(freshFor(["Cache-Control", "max-age=6000"], { class: "member" })).toBe(6000);
    expect(freshFor(["Last-Modified", dateIn(-100_000)], { class: "member" })).toBe(0);
  });

  it("agrees with http-cache-semantics wherever that reads the fields as RFC 9111 does", () => {
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

describe("freshening by a 304 (RFC 9111 §3.2, §4.3.4)", () => {
  const times = { requestMs: NOW_MS - 20, responseMs: NOW_MS };
  const freshen = (stored: string[], fields304: string[], context: Partial<PlanContext> = {}) =>
    freshenFields(makeEntry(stored), { status: 304, fields: fields304 }, { ...makeContext(context), ...times });
  const STORED = ["ETag", '"a"', "Date", dateIn(-100), "Test", "old", "Content-Length", "4"];

  it("replaces the fields that the 304 has, keeps the others, and takes the new times", () => {
    const freshened = freshen(
      [...STORED, "Kept", "k"],
      ["ETag", '"a"', "Date", dateIn(0), "test", "new", "Added", "x"],
    );
    expect(freshened).toEqual({
      ...times,
      fields: ["Content-Length", "4", "Kept", "k", "ETag", '"a"', "Date", dateIn(0), "test", "new", "Added", "x"],
    });
  });

  it("replaces every line of a name", () => {
    expect(freshen(["X", "1", "X", "2", "Date", dateIn(0)], ["X", "3", "Date", dateIn(0)])).toMatchObject({
      fields: ["X", "3", "Date", dateIn(0)],
    });
  });

  it("leaves what describes the stored body", () => {
    const told = [
      "Content-Length",
      "10",
      "Content-Encoding",
      "gzip",
      "Content-Range",
      "bytes 0-1/2",
      "Date",
      dateIn(0),
    ];
    expect(freshen(STORED, told)).toMatchObject({
      fields: ["ETag", '"a"', "Test", "old", "Content-Length", "4", "Date", dateIn(0)],
    });
  });

  it("drops the stored Age, and gives a 304 without Date the moment of its arrival (RFC 9110 §6.6.1)", () => {
    expect(freshen(["Age", "500", "Date", dateIn(-100)], [])).toMatchObject({ fields: ["Date", dateIn(0)] });
  });

  it("takes no hop-by-hop field, none that Connection names, and none that no-cache withholds (§3.1)", () => {
    const told = [
      "Connection",
      "X-Hop",
      "X-Hop",
      "1",
      "Keep-Alive",
      "timeout=5",
      "X-No",
      "1",
      "Cache-Control",
      'no-cache="x-no"',
    ];
    const freshened = freshen(["Date", dateIn(0)], [...told, "Date", dateIn(0)]);
    expect(freshened).toMatchObject({ fields: ["Cache-Control", 'no-cache="x-no"', "Date", dateIn(0)] });
  });

  it("takes no cookie for package files (departure package-cookies), and does for anything else", () => {
    const told = ["Set-Cookie", "a=b", "Date", dateIn(0)];
    expect(freshen(["Date", dateIn(0)], told, { class: "payload" })).toMatchObject({ fields: ["Date", dateIn(0)] });
    expect(freshen(["Date", dateIn(0)], told)).toMatchObject({ fields: told });
  });

  it.each([
    ["another strong tag", '"a"', ["ETag", '"b"'], "another"],
    ["a strong tag for a weak one", 'W/"a"', ["ETag", '"a"'], "another"],
    ["a weak tag for the strong one", '"a"', ["ETag", 'W/"a"'], "own"],
    ["the same weak tag", 'W/"a"', ["ETag", 'W/"a"'], "own"],
    ["no validator", '"a"', [], "own"],
    ["another Last-Modified and no tag", '"a"', ["Last-Modified", dateIn(-5)], "another"],
    ["the same Last-Modified and no tag", '"a"', ["Last-Modified", dateIn(-50)], "own"],
  ])("knows whose 304 it is by %s", (_, etag, fields304, whose) => {
    const freshened = freshen(["ETag", etag, "Last-Modified", dateIn(-50)], fields304);
    expect(freshened === "another" ? "another" : "own").toBe(whose);
  });
});

describe("freshening by a HEAD (RFC 9111 §4.3.5)", () => {
  const times = { requestMs: NOW_MS - 20, responseMs: NOW_MS };
  const STORED = ["ETag", '"a"', "Last-Modified", dateIn(-500), "Date", dateIn(-100), "Test", "old"];
  const freshen = (...fields: string[]) =>
    freshenByHead(makeEntry(STORED), { status: 200, fields }, { ...makeContext(), ...times });

  it("updates the fields and the times where validators and length agree, or are not told", () => {
    const freshened = freshen("ETag", '"a"', "Content-Length", "4", "Date", dateIn(0), "Test", "new");
    expect(freshened).toMatchObject({ ...times, fields: expect.arrayContaining(["Test", "new"]) });
    expect(freshen("Date", dateIn(0))).toMatchObject(times);
  });

  it.each([
    ["ETag", '"b"'],
    ["ETag", 'W/"a"'],
    ["Last-Modified", dateIn(-400)],
    ["Content-Length", "5"],
  ])("tells of another representation: %s %s", (name, value) => {
    expect(freshen(name, value, "Date", dateIn(0))).toBe("another");
  });
});

describe("serving stale when the origin fails (RFC 9111 §4.2.4)", () => {
  const UNREACHABLE = { kind: "unreachable" } as const;
  const unavailable = (status: number) => ({ kind: "status", status }) as const;
  const stale = (directives: string, changes: Partial<Entry> = {}) =>
    makeEntry(["Cache-Control", directives], { agoSeconds: 100, ...changes });

  it("is allowed for anything while the origin cannot be reached", () => {
    expect(mayServeStale(stale("max-age=2"), makeRequest(), UNREACHABLE, makeContext())).toBe(true);
  });

  it("is not allowed for *other* when the origin answers 503, unless stale-if-error says so (RFC 5861 §4)", () => {
    const ask = (directives: string) =>
      mayServeStale(stale(directives), makeRequest(), unavailable(503), makeContext());
    expect(ask("max-age=2")).toBe(false);
    expect(ask("max-age=2, stale-if-error=98")).toBe(true);
    expect(ask("max-age=2, stale-if-error=97")).toBe(false);
  });

  it("honours stale-if-error and max-stale of the request", () => {
    const ask = (value: string) =>
      mayServeStale(stale("max-age=2"), makeRequest(["Cache-Control", value]), unavailable(500), makeContext());
    expect(ask("stale-if-error=98")).toBe(true);
    expect(ask("max-stale=98")).toBe(true);
    expect(ask("max-stale=97")).toBe(false);
  });

  it.each(["must-revalidate", "proxy-revalidate", "s-maxage=2", "no-cache"])("is forbidden by %s", (directive) => {
    const entry = stale(`max-age=2, stale-if-error=1000, ${directive}`);
    expect(mayServeStale(entry, makeRequest(), UNREACHABLE, makeContext())).toBe(false);
  });

  it.each(["no-cache", "max-age=0", "max-age=50", "min-fresh=1"])("is forbidden by a request with %s", (directive) => {
    const request = makeRequest(["Cache-Control", directive]);
    expect(mayServeStale(stale("max-age=2"), request, UNREACHABLE, makeContext())).toBe(false);
  });

  it.each([200, 404])("does not come into question when the origin answers %i", (status) => {
    const entry = stale("max-age=2, stale-if-error=1000");
    expect(mayServeStale(entry, makeRequest(), unavailable(status), makeContext({ class: "root" }))).toBe(false);
  });

  it("comes into question after a 429 for package files and their metadata only (RFC 5861 §4)", () => {
    const entry = stale("max-age=2, stale-if-error=1000");
    expect(mayServeStale(entry, makeRequest(), unavailable(429), makeContext())).toBe(false);
    expect(mayServeStale(entry, makeRequest(), unavailable(429), makeContext({ class: "root" }))).toBe(true);
  });

  describe.each(["root", "member", "payload"] as const)("of a %s (departure stale-package)", (resourceClass) => {
    const context = makeContext({ class: resourceClass });
    const request = makeRequest(["Cache-Control", "max-age=0"]);

    it("is allowed on 5xx and when unreachable, even under must-revalidate and for a client that sends max-age=0", () => {
      const entry = stale("max-age=2, must-revalidate");
      expect(mayServeStale(entry, request, UNREACHABLE, context)).toBe(true);
      expect(mayServeStale(entry, request, unavailable(500), context)).toBe(true);
    });

    it("follows RFC 9111 with credentials", () => {
      const entry = stale("max-age=2, must-revalidate", { realm: "someone" });
      expect(mayServeStale(entry, makeRequest([], { realm: "someone" }), UNREACHABLE, context)).toBe(false);
      const publicEntry = stale("max-age=2, must-revalidate");
      expect(mayServeStale(publicEntry, makeRequest([], { realm: "someone" }), UNREACHABLE, context)).toBe(false);
    });

    it("follows RFC 9111 for a stored error", () => {
      const entry = stale("max-age=2, must-revalidate", { status: 404 });
      expect(mayServeStale(entry, makeRequest(), UNREACHABLE, context)).toBe(false);
    });
  });
});

describe("a name that its format never gives to other bytes", () => {
  const silent = { status: 200, fields: [], responseMs: 0 };

  it("is fresh for a month where the registry says nothing (RFC 9111 §4.2.2)", () => {
    const month = 30 * 24 * 60 * 60;
    expect(freshForSeconds(silent, { class: "payload", rootFreshForMs: 0, isImmutable: true })).toBe(month);
    expect(freshForSeconds(silent, { class: "payload", rootFreshForMs: 0 })).toBe(0);
  });

  it("keeps to what the registry does say", () => {
    const told = { ...silent, fields: ["Cache-Control", "max-age=60"] };
    expect(freshForSeconds(told, { class: "payload", rootFreshForMs: 0, isImmutable: true })).toBe(60);
    const failed = { ...silent, status: 404 };
    expect(freshForSeconds(failed, { class: "payload", rootFreshForMs: 0, isImmutable: true })).toBe(0);
  });
});
