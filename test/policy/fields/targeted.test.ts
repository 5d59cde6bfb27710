import { describe, expect, test } from "vitest";
import { fieldValue } from "../../../core/fields.ts";
import { heardFields } from "../../../policy/fields/targeted.ts";
import { freshForSeconds } from "../../../policy/freshness.ts";
import { judge } from "../../../policy/storing.ts";
import { dateIn, makeContext, makeEntry, makeRequest, NOW_MS } from "../make.ts";

const TARGETS = ["cdn-cache-control"];
const heard = (...fields: string[]) => fieldValue(heardFields(fields, TARGETS), "cache-control");

describe("targeted fields (RFC 9213)", () => {
  test("stand in for Cache-Control and Expires (§2.2)", () => {
    const fields = ["Cache-Control", "no-store", "Expires", dateIn(9), "CDN-Cache-Control", "max-age=60", "X", "y"];
    expect(heardFields(fields, TARGETS)).toEqual([
      "CDN-Cache-Control",
      "max-age=60",
      "X",
      "y",
      "Cache-Control",
      "max-age=60",
    ]);
  });

  test.each([
    ["max-age=60, foo;bar=1", "max-age=60, foo"],
    ["must-revalidate=?1, private=?0", "must-revalidate"],
    ['no-cache="set-cookie"', 'no-cache="set-cookie"'],
    ["a=token", "a=token"],
  ])("are read as structured fields: %s", (value, directives) => {
    expect(heard("CDN-Cache-Control", value, "Cache-Control", "no-store")).toBe(directives);
  });

  test.each([
    "",
    "max-age=60, &&&&&",
    'max-age="60"',
    "max-age=-1",
    "max-age",
    "Max-Age=60",
    "max-age =60",
    "max-age= 60",
  ])("are as if they were not there when they are in error: %j (§2.1)", (value) => {
    expect(heard("CDN-Cache-Control", value, "Cache-Control", "no-store")).toBe("no-store");
  });

  test("go in the order in which they were named, and are nothing to a cache that was told of none", () => {
    const fields = ["CDN-Cache-Control", "max-age=1", "Mine", "max-age=2", "Cache-Control", "max-age=3"];
    expect(fieldValue(heardFields(fields, ["mine", "cdn-cache-control"]), "cache-control")).toBe("max-age=2");
    expect(heardFields(fields)).toBe(fields);
  });

  test("decide what is stored, and for how long", () => {
    const fields = ["Cache-Control", "private", "CDN-Cache-Control", "max-age=60"];
    const context = { ...makeContext({ targets: TARGETS }), requestMs: NOW_MS, responseMs: NOW_MS };
    const judgement = judge(makeRequest(), { status: 200, fields }, context);
    expect(judgement).toMatchObject({ store: true, fields: expect.arrayContaining(fields) });
    expect(freshForSeconds(makeEntry(fields), context)).toBe(60);
    expect(judge(makeRequest(), { status: 200, fields }, { ...context, targets: [] }).store).toBe(false);
  });
});
