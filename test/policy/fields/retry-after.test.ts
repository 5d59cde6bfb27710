import { describe, expect, test } from "vitest";
import { retryAfterMs } from "../../../policy/fields/retry-after.ts";

const NOW_MS = Date.UTC(2026, 0, 1, 12);
const read = (...fields: string[]) => retryAfterMs({ status: 503, fields }, NOW_MS);

describe("Retry-After (RFC 9110 §10.2.3)", () => {
  test("is a number of seconds", () => {
    expect(read("retry-after", "120")).toBe(120_000);
    expect(read("Retry-After", "0")).toBe(0);
  });

  test("is a date, which counts from the answer's own Date where there is one", () => {
    const date = "Thu, 01 Jan 2026 12:01:00 GMT";
    expect(read("Retry-After", date)).toBe(60_000);
    expect(read("Date", "Thu, 01 Jan 2026 12:00:50 GMT", "Retry-After", date)).toBe(10_000);
  });

  test("is no wait when the date is past", () => {
    expect(read("Retry-After", "Thu, 01 Jan 2026 11:00:00 GMT")).toBe(0);
  });

  test.each(["", "-1", "1.5", "soon", "12, 13", "1e3"])("cannot be read as %j", (value) => {
    expect(read("Retry-After", value)).toBeUndefined();
  });

  test("may be absent", () => {
    expect(read("Date", "Thu, 01 Jan 2026 12:00:00 GMT")).toBeUndefined();
  });
});
