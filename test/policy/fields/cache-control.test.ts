import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTooOld, namedFields, readDirectives, readWishes, secondsOf } from "../../../policy/fields/cache-control.ts";

describe("Cache-Control directives (RFC 9111 §5.2)", () => {
  test("knows no case in names", () => {
    expect(readDirectives("No-StOrE, MaX-aGe=3600")).toEqual(
      new Map<string, string | true>([
        ["no-store", true],
        ["max-age", "3600"],
      ]),
    );
  });

  test("takes a quoted argument for the same as a bare one", () => {
    expect(secondsOf(readDirectives('max-age="3600"'), "max-age")).toBe(3600);
  });

  test.each([
    'extension="max-age=3600", max-age=1',
    'max-age=1, extension="max-age=3600"',
    'a="x, max-age=9", max-age=1',
  ])("does not look for directives inside a quoted string: %s", (value) => {
    expect(secondsOf(readDirectives(value), "max-age")).toBe(1);
  });

  test("hides nothing behind a quote that is never closed", () => {
    expect(readDirectives('max-age=60, a="b, no-store').has("no-store")).toBe(true);
  });

  test("counts the first of two values of a directive (§4.2.1)", () => {
    expect(secondsOf(readDirectives("max-age=1800, max-age=1"), "max-age")).toBe(1800);
  });

  test.each(['no-cache="a", no-cache', 'no-cache, no-cache="a"'])(
    "lets an unqualified directive win over a qualified one: %s",
    (value) => {
      expect(readDirectives(value).get("no-cache")).toBe(true);
    },
  );

  test.each([
    "max-age='3600'",
    "max-age=-1",
    "max-age=3600.0",
    "max-age=a3600",
    "max-age=3600a",
    "max-age=",
    "max-age",
  ])("finds no delta-seconds in %s (§1.2.2)", (value) => {
    const directives = readDirectives(value);
    expect(directives.has("max-age")).toBe(true);
    expect(secondsOf(directives, "max-age")).toBeUndefined();
  });

  test.each(["max-age =3600", "max-age= 3600", "=1", '"max-age"=1', "a b"])(
    "ignores what is no directive: %s",
    (value) => {
      expect(readDirectives(value).size).toBe(0);
    },
  );

  test("reads seconds with leading zeros, and caps what is too great to tell apart (§1.2.2)", () => {
    expect(secondsOf(readDirectives("max-age=003600"), "max-age")).toBe(3600);
    expect(secondsOf(readDirectives("max-age=99999999999999999999"), "max-age")).toBe(2 ** 31);
  });

  test("lists the fields that a qualified directive names, in lower case (§5.2.2.4)", () => {
    const directives = readDirectives('no-cache="Set-Cookie, X-A", private=X-B, max-age=1');
    expect(namedFields(directives, "no-cache")).toEqual(["set-cookie", "x-a"]);
    expect(namedFields(directives, "private")).toEqual(["x-b"]);
    expect(namedFields(readDirectives("no-cache"), "no-cache")).toEqual([]);
  });

  test("reads any text without failing, and any well-formed list whole", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => readDirectives(text) instanceof Map));
    const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,9}$/);
    const argument = fc.oneof(fc.constant(true as const), fc.stringMatching(/^[ -~]{0,9}$/));
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(token, argument), { selector: ([name]) => name }), (directives) => {
        const text = directives.map(([name, value]) =>
          value === true ? name : `${name}="${value.replace(/["\\]/g, "\\$&")}"`,
        );
        expect(readDirectives(text.join(" , "))).toEqual(new Map(directives));
      }),
    );
  });
});

describe("what a request asks of a cache (RFC 9111 §5.2.1)", () => {
  test("asks nothing without Cache-Control and Pragma", () => {
    expect(readWishes({})).toMatchObject({ noCache: false, noStore: false, onlyIfCached: false });
  });

  test("reads Pragma only where there is no Cache-Control (§5.4)", () => {
    expect(readWishes({ pragma: "foo, No-Cache" }).noCache).toBe(true);
    expect(readWishes({ pragma: "no-cache", "cache-control": "max-stale" }).noCache).toBe(false);
    expect(readWishes({ pragma: "no-cache-please" }).noCache).toBe(false);
  });

  test("takes a bare max-stale for any staleness (§5.2.1.2)", () => {
    expect(readWishes({ "cache-control": "max-stale" }).maxStaleSeconds).toBe(Number.POSITIVE_INFINITY);
    expect(readWishes({ "cache-control": "max-stale=10" }).maxStaleSeconds).toBe(10);
    expect(readWishes({}).maxStaleSeconds).toBeUndefined();
  });

  test("takes a max-age that is no number for 0: revalidation is never wrong", () => {
    expect(readWishes({ "cache-control": "max-age=soon" }).maxAgeSeconds).toBe(0);
  });

  test("finds everything too old for max-age=0, even what came this second (§5.2.1.1)", () => {
    expect(isTooOld(0, readWishes({ "cache-control": "max-age=0" }))).toBe(true);
    expect(isTooOld(5, readWishes({ "cache-control": "max-age=5" }))).toBe(false);
    expect(isTooOld(6, readWishes({ "cache-control": "max-age=5" }))).toBe(true);
    expect(isTooOld(6, readWishes({}))).toBe(false);
  });
});
