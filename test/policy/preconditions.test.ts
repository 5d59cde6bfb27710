import { describe, expect, test } from "vitest";
import { toRecord } from "../../core/fields.ts";
import { evaluatePreconditions, isRangeStillValid, type Representation } from "../../policy/preconditions.ts";
import { dateIn } from "./make.ts";

const MODIFIED = dateIn(-1000);
const STRONG: Representation = { status: 200, etag: '"a"', lastModified: MODIFIED, date: dateIn(0) };
const WEAK: Representation = { ...STRONG, etag: 'W/"a"' };

const evaluate = (fields: readonly string[], representation = STRONG, method = "GET") =>
  evaluatePreconditions(toRecord(fields), representation, method);

describe("preconditions (RFC 9110 §13.2.2)", () => {
  test("proceed when there are none", () => {
    expect(evaluate([])).toBe("proceed");
  });

  test.each([404, 301, 500])("count for 2xx answers only, not for %i (§13.2.1)", (status) => {
    expect(evaluate(["If-None-Match", '"a"'], { ...STRONG, status })).toBe("proceed");
    expect(evaluate(["If-Match", '"b"'], { ...STRONG, status })).toBe("proceed");
  });

  describe("If-None-Match (§13.1.2)", () => {
    test.each(['"a"', 'W/"a"', '"1", "a", "2"', '"1","a"', "*", ' "a" ', 'W/"a,b", "a"'])(
      "finds the tag in %s",
      (value) => {
        expect(evaluate(["If-None-Match", value])).toBe("not-modified");
        expect(evaluate(["If-None-Match", value], WEAK)).toBe("not-modified");
      },
    );

    test.each(['"b"', '"A"', '"a,"', '"x,a"', '""', "", 'w/"a"'])("does not find it in %s", (value) => {
      expect(evaluate(["If-None-Match", value])).toBe("proceed");
    });

    test("finds a tag that holds a comma, and one without quotes", () => {
      expect(evaluate(["If-None-Match", '"x", "a,b"'], { status: 200, etag: '"a,b"' })).toBe("not-modified");
      expect(evaluate(["If-None-Match", "x, abc"], { status: 200, etag: "abc" })).toBe("not-modified");
    });

    test("is false of a representation without a tag", () => {
      expect(evaluate(["If-None-Match", '"a"'], { status: 200 })).toBe("proceed");
    });

    test("goes before If-Modified-Since, which is then ignored", () => {
      expect(evaluate(["If-None-Match", '"a"', "If-Modified-Since", dateIn(-9000)])).toBe("not-modified");
      expect(evaluate(["If-None-Match", '"b"', "If-Modified-Since", dateIn(0)])).toBe("proceed");
    });

    test("fails other methods than GET and HEAD", () => {
      expect(evaluate(["If-None-Match", '"a"'], STRONG, "HEAD")).toBe("not-modified");
      expect(evaluate(["If-None-Match", '"a"'], STRONG, "PUT")).toBe("failed");
    });
  });

  describe("If-Modified-Since (§13.1.3)", () => {
    test("answers not-modified from the moment of modification on", () => {
      expect(evaluate(["If-Modified-Since", MODIFIED])).toBe("not-modified");
      expect(evaluate(["If-Modified-Since", dateIn(-999)])).toBe("not-modified");
      expect(evaluate(["If-Modified-Since", dateIn(-1001)])).toBe("proceed");
    });

    test("reads the obsolete forms of a date", () => {
      expect(evaluate(["If-Modified-Since", "Friday, 16-Jan-26 12:00:00 GMT"])).toBe("not-modified");
    });

    test("is ignored when it is no date, and with other methods", () => {
      expect(evaluate(["If-Modified-Since", "tomorrow"])).toBe("proceed");
      expect(evaluate(["If-Modified-Since", MODIFIED], STRONG, "POST")).toBe("proceed");
    });

    test("is compared with Date where there is no Last-Modified (RFC 9111 §4.3.2)", () => {
      const undated: Representation = { status: 200, date: dateIn(0) };
      expect(evaluate(["If-Modified-Since", dateIn(0)], undated)).toBe("not-modified");
      expect(evaluate(["If-Modified-Since", dateIn(-1)], undated)).toBe("proceed");
    });
  });

  describe("If-Match (§13.1.1)", () => {
    test("compares strongly", () => {
      expect(evaluate(["If-Match", '"b", "a"'])).toBe("proceed");
      expect(evaluate(["If-Match", "*"])).toBe("proceed");
      expect(evaluate(["If-Match", '"b"'])).toBe("failed");
      expect(evaluate(["If-Match", 'W/"a"'])).toBe("failed");
      expect(evaluate(["If-Match", 'W/"a"'], WEAK)).toBe("failed");
      expect(evaluate(["If-Match", '"a"'], { status: 200 })).toBe("failed");
    });

    test("goes before If-Unmodified-Since, and leaves If-None-Match to be evaluated", () => {
      expect(evaluate(["If-Match", '"a"', "If-Unmodified-Since", dateIn(-9000)])).toBe("proceed");
      expect(evaluate(["If-Match", '"a"', "If-None-Match", '"a"'])).toBe("not-modified");
    });
  });

  test("fail when it was modified after If-Unmodified-Since (§13.1.4)", () => {
    expect(evaluate(["If-Unmodified-Since", MODIFIED])).toBe("proceed");
    expect(evaluate(["If-Unmodified-Since", dateIn(-1001)])).toBe("failed");
    expect(evaluate(["If-Unmodified-Since", "never"])).toBe("proceed");
    expect(evaluate(["If-Unmodified-Since", dateIn(-1001)], { status: 200, date: dateIn(0) })).toBe("proceed");
  });
});

describe("If-Range (RFC 9110 §13.1.5)", () => {
  test("lets a range be served without it", () => {
    expect(isRangeStillValid(undefined, STRONG)).toBe(true);
  });

  test("compares tags strongly", () => {
    expect(isRangeStillValid('"a"', STRONG)).toBe(true);
    expect(isRangeStillValid('"b"', STRONG)).toBe(false);
    expect(isRangeStillValid('W/"a"', WEAK)).toBe(false);
    expect(isRangeStillValid('"a"', WEAK)).toBe(false);
    expect(isRangeStillValid('"a"', { status: 200 })).toBe(false);
  });

  test("wants exactly the Last-Modified, and that to be a strong validator (§8.8.2.2)", () => {
    expect(isRangeStillValid(MODIFIED, STRONG)).toBe(true);
    expect(isRangeStillValid(dateIn(-999), STRONG)).toBe(false);
    expect(isRangeStillValid(MODIFIED, { status: 200, date: dateIn(0) })).toBe(false);
    expect(isRangeStillValid(dateIn(0), { status: 200, lastModified: dateIn(0), date: dateIn(0) })).toBe(false);
  });
});
