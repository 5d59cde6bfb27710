import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatHttpDate, parseHttpDate } from "../../../policy/fields/http-date.ts";

const MOMENT_MS = Date.UTC(2050, 7, 18, 2, 1, 18);

describe("HTTP-dates (RFC 9110 §5.6.7)", () => {
  test.each([
    ["IMF-fixdate", "Thu, 18 Aug 2050 02:01:18 GMT"],
    ["the obsolete form of RFC 850", "Thursday, 18-Aug-50 02:01:18 GMT"],
    ["asctime, which is in GMT wherever larder runs", "Thu Aug 18 02:01:18 2050"],
    ["an upper-case weekday", "THU, 18 Aug 2050 02:01:18 GMT"],
    ["an upper-case month", "Thu, 18 AUG 2050 02:01:18 GMT"],
    ["a mixed-case zone", "Thu, 18 Aug 2050 02:01:18 gMT"],
  ])("reads %s", (_, text) => {
    expect(parseHttpDate(text)).toBe(MOMENT_MS);
  });

  test("reads an asctime day of one digit", () => {
    expect(parseHttpDate("Mon Aug  8 02:01:18 2050")).toBe(Date.UTC(2050, 7, 8, 2, 1, 18));
  });

  test("takes two digits from 70 on for years of the last century", () => {
    expect(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT")).toBe(Date.UTC(1994, 10, 6, 8, 49, 37));
  });

  test.each([
    ["a bare number", "0"],
    ["minus one", "-1"],
    ["another zone's name", "Thu, 18 Aug 2050 02:01:18 UTC"],
    ["a zone that is not GMT", "Thu, 18 Aug 2050 02:01:18 AEST"],
    ["two digits for a year", "Thu, 18 Aug 50 02:01:18 GMT"],
    ["a missing comma", "Thu 18 Aug 2050 02:01:18 GMT"],
    ["two spaces", "Thu, 18  Aug  2050 02:01:18 GMT"],
    ["dashes", "Thu, 18-Aug-2050 02:01:18 GMT"],
    ["full stops in the time", "Thu, 18 Aug 2050 02.01.18 GMT"],
    ["an hour of one digit", "Thu, 18 Aug 2050 2:01:18 GMT"],
    ["a month that is none", "Thu, 18 Foo 2050 02:01:18 GMT"],
    ["two dates on one line", "Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT"],
    ["ISO 8601", "2050-08-18T02:01:18Z"],
    ["nothing", ""],
  ])("refuses %s", (_, text) => {
    expect(parseHttpDate(text)).toBeUndefined();
  });

  test("reads back every date that it writes", () => {
    const seconds = fc.integer({ min: 0, max: Date.UTC(2200, 0) / 1000 });
    fc.assert(fc.property(seconds, (second) => parseHttpDate(formatHttpDate(second * 1000)) === second * 1000));
  });
});
