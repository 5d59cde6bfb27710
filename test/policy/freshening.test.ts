import { describe, expect, test } from "vitest";
import { freshenBy304, freshenByHead } from "../../policy/freshening.ts";
import type { PlanContext } from "../../policy/plan.ts";
import { dateIn, makeContext, makeEntry, NOW_MS } from "./make.ts";

describe("freshening by a 304 (RFC 9111 §3.2, §4.3.4)", () => {
  const times = { requestMs: NOW_MS - 20, responseMs: NOW_MS };
  const freshen = (stored: string[], fields304: string[], context: Partial<PlanContext> = {}) =>
    freshenBy304(makeEntry(stored), { status: 304, fields: fields304 }, { ...makeContext(context), ...times });
  const STORED = ["ETag", '"a"', "Date", dateIn(-100), "Test", "old", "Content-Length", "4"];

  test("replaces the fields that the 304 has, keeps the others, and takes the new times", () => {
    const freshened = freshen(
      [...STORED, "Kept", "k"],
      ["ETag", '"a"', "Date", dateIn(0), "test", "new", "Added", "x"],
    );
    expect(freshened).toEqual({
      ...times,
      fields: ["Content-Length", "4", "Kept", "k", "ETag", '"a"', "Date", dateIn(0), "test", "new", "Added", "x"],
    });
  });

  test("replaces every line of a name", () => {
    expect(freshen(["X", "1", "X", "2", "Date", dateIn(0)], ["X", "3", "Date", dateIn(0)])).toMatchObject({
      fields: ["X", "3", "Date", dateIn(0)],
    });
  });

  test("leaves what describes the stored body", () => {
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

  test("drops the stored Age, and gives a 304 without Date the moment of its arrival (RFC 9110 §6.6.1)", () => {
    expect(freshen(["Age", "500", "Date", dateIn(-100)], [])).toMatchObject({ fields: ["Date", dateIn(0)] });
  });

  test("takes no hop-by-hop field, none that Connection names, and none that no-cache withholds (§3.1)", () => {
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

  test("takes no cookie for package files (departure package-cookies), and does for anything else", () => {
    const told = ["Set-Cookie", "a=b", "Date", dateIn(0)];
    expect(freshen(["Date", dateIn(0)], told, { class: "payload" })).toMatchObject({ fields: ["Date", dateIn(0)] });
    expect(freshen(["Date", dateIn(0)], told)).toMatchObject({ fields: told });
  });

  test.each([
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

  test("updates the fields and the times where validators and length agree, or are not told", () => {
    const freshened = freshen("ETag", '"a"', "Content-Length", "4", "Date", dateIn(0), "Test", "new");
    expect(freshened).toMatchObject({ ...times, fields: expect.arrayContaining(["Test", "new"]) });
    expect(freshen("Date", dateIn(0))).toMatchObject(times);
  });

  test.each([
    ["ETag", '"b"'],
    ["ETag", 'W/"a"'],
    ["Last-Modified", dateIn(-400)],
    ["Content-Length", "5"],
  ])("tells of another representation: %s %s", (name, value) => {
    expect(freshen(name, value, "Date", dateIn(0))).toBe("another");
  });
});
