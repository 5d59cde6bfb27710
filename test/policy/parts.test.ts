import { describe, expect, test } from "vitest";
import type { Entry } from "../../core/entry.ts";
import { beginningOf, completedHead, headOfCut, partFor, partOf, partVariant } from "../../policy/parts.ts";
import { makeEntry, makeRequest } from "./make.ts";

function makePart(first: number, last: number, etag = '"a"', total = 100): Entry {
  const fields = ["ETag", etag, "Content-Range", `bytes ${first}-${last}/${total}`];
  return makeEntry(fields, { status: 206, variant: partVariant("", { first, last }) });
}

describe("a 206 (RFC 9110 §15.3.7)", () => {
  test("says which part it is", () => {
    expect(partOf(makePart(0, 9))).toEqual({ range: { first: 0, last: 9 }, totalBytes: 100 });
  });

  test.each([
    ["no Content-Range", []],
    ["a length that is not told", ["Content-Range", "bytes 0-9/*"]],
    ["a range beyond the end", ["Content-Range", "bytes 0-100/100"]],
    ["a range that ends before it begins", ["Content-Range", "bytes 9-0/100"]],
    ["another unit", ["Content-Range", "items 0-9/100"]],
    ["a Content-Length that says otherwise", ["Content-Range", "bytes 0-9/100", "Content-Length", "9"]],
  ])("is no part with %s", (_, fields) => {
    expect(partOf({ status: 206, fields })).toBeUndefined();
  });

  test("is chosen by what lies in it, and only among those that Vary selects", () => {
    const entry = makePart(10, 19);
    const find = (...fields: string[]) => partFor(makeRequest(fields), [entry], "asked");
    for (const range of ["bytes=10-19", "bytes=12-13"]) expect(find("Range", range)).toBe(entry);
    for (const range of ["bytes=9-12", "bytes=12-20", "bytes=12-", "bytes=-5", "bytes=11-12,14-15"])
      expect(find("Range", range)).toBeUndefined();
    expect(find("Range", "bytes=10-19", "If-Range", '"b"')).toBeUndefined();
    expect(find()).toBeUndefined();
    const varied = { ...entry, fields: [...entry.fields, "Vary", "Foo"] };
    expect(partFor(makeRequest(["Range", "bytes=10-19", "Foo", "1"]), [varied], "asked")).toBeUndefined();
  });
});

describe("stored parts (RFC 9111 §3.4)", () => {
  const begin = (...entries: Entry[]) => beginningOf(makeRequest(), entries, "asked");

  test("are a beginning as far as they follow on each other", () => {
    const beginning = begin(makePart(60, 69), makePart(30, 49), makePart(0, 39));
    expect(beginning).toMatchObject({ nextByte: 50, totalBytes: 100, etag: '"a"' });
    expect(beginning?.pieces.map(({ range }) => range)).toEqual([
      { first: 0, last: 39 },
      { first: 40, last: 49 },
    ]);
  });

  test("are of one representation only, told by a strong entity tag", () => {
    expect(begin(makePart(0, 39), makePart(40, 49, '"b"'))).toMatchObject({ nextByte: 40 });
    expect(begin(makePart(0, 39), makePart(40, 49, '"a"', 200))).toMatchObject({ nextByte: 40 });
    expect(begin(makePart(0, 39, 'W/"a"'))).toBeUndefined();
    expect(begin(makePart(10, 39))).toBeUndefined();
  });

  test("never go without a word of the origin: the last of them is asked for again", () => {
    expect(begin(makePart(0, 39), makePart(40, 99))).toMatchObject({ nextByte: 40 });
    expect(begin(makePart(0, 99))).toBeUndefined();
  });

  test("are completed by the rest, whose fields go over theirs", () => {
    const beginning = begin(makePart(0, 39));
    const rest = ["ETag", '"a"', "Content-Range", "bytes 40-99/100", "Content-Length", "60", "X", "new"];
    const head = beginning && completedHead(beginning, { status: 206, fields: rest });
    expect(head?.status).toBe(200);
    expect(head?.fields).toEqual(expect.arrayContaining(["X", "new", "Content-Length", "100"]));
    expect(head?.fields).not.toContain("Content-Range");
  });

  test.each([
    ["that begins elsewhere", ["Content-Range", "bytes 41-99/100"]],
    ["that ends too soon", ["Content-Range", "bytes 40-98/100"]],
    ["of another length", ["Content-Range", "bytes 40-109/110"]],
    ["with another tag", ["Content-Range", "bytes 40-99/100", "ETag", '"b"']],
  ])("are not completed by a rest %s", (_, fields) => {
    const beginning = begin(makePart(0, 39));
    expect(beginning && completedHead(beginning, { status: 206, fields })).toBeUndefined();
  });
});

describe("an answer that was cut (RFC 9111 §3.3)", () => {
  test("is the part that came, where a strong tag tells what the rest belongs to", () => {
    const head = headOfCut({ status: 200, fields: ["ETag", '"a"', "Content-Length", "100"] }, 40, 100);
    expect(head && partOf(head)).toEqual({ range: { first: 0, last: 39 }, totalBytes: 100 });
    expect(headOfCut({ status: 200, fields: ["ETag", 'W/"a"'] }, 40, 100)).toBeUndefined();
    expect(headOfCut({ status: 200, fields: [] }, 40, 100)).toBeUndefined();
    expect(headOfCut({ status: 404, fields: ["ETag", '"a"'] }, 40, 100)).toBeUndefined();
    expect(headOfCut({ status: 200, fields: ["ETag", '"a"'] }, 0, 100)).toBeUndefined();
  });
});
