import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseUriPattern } from "../../core/uri-pattern.ts";

const URI = "https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz";

describe("a pattern", () => {
  test.each([
    [URI, true],
    ["https://registry.npmjs.org/**", true],
    ["**/left-pad-*.tgz", true],
    ["**left-pad**", true],
    ["https://*/left-pad/-/*", true],
    ["HTTPS://Registry.NPMJS.org/**", true],
    ["**", true],
    ["https://registry.npmjs.org/*", false],
    ["https://registry.npmjs.org/left-pad", false],
    ["left-pad", false],
    ["**.tg", false],
    ["https://registry.npmjs.org/LEFT-PAD/**", false],
    ["", false],
  ])("%s is about a whole URI: %s", (pattern, isMatch) => {
    expect(parseUriPattern(pattern).matches(URI)).toBe(isMatch);
  });

  test("takes a question mark and brackets for themselves", () => {
    const uri = "http://[::1]:8080/simple/?format=json";
    expect(parseUriPattern("http://[::1]:8080/simple/?format=*").matches(uri)).toBe(true);
    expect(parseUriPattern("http://[::1]:8080/simple/?").matches("http://[::1]:8080/simple/x")).toBe(false);
  });

  test("means what the regular expression of the same words means", () => {
    const letters = fc.constantFrom("a", "b", "/", "?");
    const pattern = fc.array(fc.oneof(letters, fc.constantFrom("*", "**"))).map((parts) => parts.join(""));
    const uri = fc.array(letters).map((parts) => parts.join(""));
    fc.assert(
      fc.property(pattern, uri, (text, other) => {
        const source = text.replaceAll("?", "\\?").replace(/\*+/g, (stars) => (stars === "*" ? "[^/]*" : "[^]*"));
        expect(parseUriPattern(text).matches(other)).toBe(new RegExp(`^${source}$`).test(other));
      }),
      { numRuns: 2_000 },
    );
  });

  test("is not slowed down by many stars that nearly fit", () => {
    expect(parseUriPattern("**a".repeat(40)).matches(`${"a".repeat(39)}${"b".repeat(4_000)}`)).toBe(false);
  });
});
