import fc from "fast-check";
import rangeParser from "range-parser";
import { describe, expect, test } from "vitest";
import { contentRange, isWholeRange, readRange } from "../../../policy/fields/ranges.ts";

const part = (first: number, last: number) => ({ kind: "part", range: { first, last } });

describe("Range (RFC 9110 §14.1.2, §14.2)", () => {
  test.each([
    ["bytes=0-1", part(0, 1)],
    ["bytes=5-", part(5, 9)],
    ["bytes=5-99999999999999999999", part(5, 9)],
    ["bytes=-3", part(7, 9)],
    ["bytes=-10", part(0, 9)],
    ["bytes=-11", part(0, 9)],
    ["bytes=9-9", part(9, 9)],
    ["BYTES=0-1", part(0, 1)],
    ["bytes= 0-1", part(0, 1)],
  ])("reads %s of ten bytes", (value, expected) => {
    expect(readRange(value, 10)).toEqual(expected);
  });

  test.each(["bytes=10-", "bytes=10-12", "bytes=99999999999999999999-", "bytes=-0"])(
    "cannot satisfy %s of ten bytes",
    (value) => {
      expect(readRange(value, 10)).toEqual({ kind: "unsatisfiable" });
    },
  );

  test("can satisfy no range of nothing", () => {
    expect(readRange("bytes=0-", 0)).toEqual({ kind: "unsatisfiable" });
    expect(readRange("bytes=-5", 0)).toEqual({ kind: "unsatisfiable" });
  });

  test.each([
    undefined,
    "",
    "bytes",
    "bytes=",
    "bytes=-",
    "bytes=a-b",
    "bytes=5-2",
    "bytes=--5",
    "bytes=1-2-3",
    "bytes=+1-2",
    "bytes=1.0-2",
    "items=0-1",
    "bytes 0-1",
    "bytes=0-1, x",
    "bytes=,",
    `bytes=${Array.from({ length: 33 }, (_, i) => `${2 * i}-${2 * i}`).join(",")}`,
    "bytes=0 - 1",
  ])("gives the whole for %s", (value) => {
    expect(readRange(value, 10)).toEqual({ kind: "whole" });
  });

  const several = (...ranges: [number, number][]) => ({
    kind: "parts",
    ranges: ranges.map(([first, last]) => ({ first, last })),
  });

  test.each([
    ["bytes=0-1, 3-4", several([0, 1], [3, 4])],
    ["bytes=7-,0-1", several([7, 9], [0, 1])],
    ["bytes=0-0,-1", several([0, 0], [9, 9])],
    ["bytes=0-1,,3-4,", several([0, 1], [3, 4])],
    ["bytes=5-6,0-1,6-8", several([0, 1], [5, 8])],
    ["bytes=0-1,2-3", part(0, 3)],
    ["bytes=0-,1-2", part(0, 9)],
    ["bytes=0-1,20-30", part(0, 1)],
  ])("reads several ranges, made one where they touch: %s (§15.3.7.2)", (value, expected) => {
    expect(readRange(value, 10)).toEqual(expected);
  });

  test("cannot satisfy several ranges of which none is there", () => {
    expect(readRange("bytes=10-11,12-", 10)).toEqual({ kind: "unsatisfiable" });
  });

  test("reads any text without failing, and no range that lies outside", () => {
    const near = fc.stringMatching(/^bytes=[0-9, -]{0,12}$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), fc.nat(1000), (value, bytes) => {
        const reading = readRange(value, bytes);
        const ranges = reading.kind === "part" ? [reading.range] : reading.kind === "parts" ? reading.ranges : [];
        return ranges.every(({ first, last }) => first >= 0 && first <= last && last < bytes);
      }),
    );
  });

  test("agrees with range-parser about every range that is one", () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(200), fc.integer({ min: 1, max: 150 }), (first, length, bytes) => {
        const value = `bytes=${first}-${first + length}`;
        const [oracle] = [rangeParser(bytes, value)].flat();
        const expected = typeof oracle === "object" ? part(oracle.start, oracle.end) : { kind: "unsatisfiable" };
        expect(readRange(value, bytes)).toEqual(expected);
      }),
    );
  });

  test("knows the range that is everything before the length is known", () => {
    expect(isWholeRange("bytes=0-")).toBe(true);
    for (const value of ["bytes=0-9", "bytes=1-", "bytes=-1", "items=0-"]) expect(isWholeRange(value)).toBe(false);
    for (const value of ["bytes=0-", "bytes=0-9", "bytes=-10", "bytes=-99", "bytes=0-4,5-9"])
      expect(isWholeRange(value, 10)).toBe(true);
    for (const value of ["bytes=0-8", "bytes=-9", "bytes=10-"]) expect(isWholeRange(value, 10)).toBe(false);
  });

  test("is answered with its Content-Range (§14.4)", () => {
    expect(contentRange({ first: 0, last: 4 }, 10)).toBe("bytes 0-4/10");
  });
});
