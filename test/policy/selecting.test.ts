import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { variantOf } from "../../policy/selecting.ts";
import { makeRequest } from "./make.ts";

const variant = (vary: string, fields: readonly string[], coding: "asked" | "identity" = "asked") =>
  variantOf(["Vary", vary], makeRequest(fields), coding)?.variant;

describe("selecting among stored responses (RFC 9111 §4.1)", () => {
  test("selects by nothing without Vary", () => {
    expect(variantOf(["ETag", '"a"'], makeRequest(["Foo", "1"]), "asked")).toEqual({ variant: "", selecting: [] });
  });

  test("selects nothing with an asterisk, alone or among names", () => {
    for (const vary of ["*", "*, *", ", *", "Foo, *", "*, Foo"]) expect(variant(vary, [])).toBeUndefined();
  });

  test("tells values, their absence and their emptiness apart", () => {
    const variants = [["Foo", "1"], ["Foo", "2"], ["Foo", ""], []].map((fields) => variant("Foo", fields));
    expect(new Set(variants).size).toBe(4);
  });

  test("does not depend on the order of names, nor on fields that Vary does not name", () => {
    const one = variant("Foo, Bar", ["Foo", "1", "Bar", "2", "Other", "x"]);
    expect(variant("bar,foo", ["bar", "2", "foo", "1"])).toBe(one);
  });

  test("reads several Vary lines as one list", () => {
    expect(variantOf(["Vary", "Foo", "Vary", "Bar"], makeRequest(["Bar", "2"]), "asked")?.variant).toBe(
      variant("Foo, Bar", ["Bar", "2"]),
    );
  });

  test("combines lines and drops white space around commas", () => {
    const one = variant("Foo", ["Foo", "1, 2"]);
    expect(variant("Foo", ["Foo", "1", "Foo", "2"])).toBe(one);
    expect(variant("Foo", ["Foo", " 1 ,2 "])).toBe(one);
    expect(variant("Foo", ["Foo", "2, 1"])).not.toBe(one);
    expect(variant("Foo", ["Foo", "1 2"])).not.toBe(one);
  });

  test("takes quoted text as it stands", () => {
    expect(variant("Foo", ["Foo", '"1, 2"'])).not.toBe(variant("Foo", ["Foo", '"1,2"']));
    expect(variant("Foo", ["Foo", 'a"b'])).not.toBe(variant("Foo", ["Foo", "a,b"]));
    expect(variant("Accept", ["Accept", 'a/b;c="X"'])).not.toBe(variant("Accept", ["Accept", 'a/b;c="x"']));
  });

  test.each(["Accept", "Accept-Encoding", "Accept-Language"])("knows neither order nor case in %s", (name) => {
    expect(variant(name, [name, "DE ; q=0.5, en"])).toBe(variant(name, [name, "en,de;q=0.5"]));
  });

  test("leaves Accept-Encoding out where larder chose the coding (departure own-coding)", () => {
    expect(variant("Accept-Encoding", ["Accept-Encoding", "br"], "identity")).toBe("");
    expect(variant("Accept-Encoding, Foo", ["Accept-Encoding", "br", "Foo", "1"], "identity")).toBe("foo: 1\n");
    expect(variant("Accept-Encoding", ["Accept-Encoding", "br"])).not.toBe(variant("Accept-Encoding", []));
  });

  test("selects by names that are those of an object's own properties", () => {
    expect(variant("constructor", ["constructor", "1"])).not.toBe(variant("constructor", []));
    expect(variant("__proto__", ["__proto__", "1"])).not.toBe(variant("__proto__", []));
  });

  test("never takes two field values for the same unless they differ in white space, empty members or lines", () => {
    const value = fc.stringMatching(/^[ -~]{0,12}$/);
    const bare = (text: string): string => text.split(/[\s,]+/).join("");
    fc.assert(
      fc.property(value, value, (one, other) => {
        const isSame = variant("Foo", ["Foo", one]) === variant("Foo", ["Foo", other]);
        return !isSame || bare(one) === bare(other);
      }),
    );
  });
});
