import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeTarget } from "../../core/target.ts";
import { classify, OTHER } from "../../ecosystems/classify.ts";

const ORIGIN = { host: "example.org", port: 443 };
const path = fc.stringMatching(/^\/[!-~]{0,60}$/);

describe("classify", () => {
  test("leaves to RFC 9111 what no ecosystem knows, in the coding that the client asks for", () => {
    expect(classify(makeTarget("https", ORIGIN, "/index.html"), { accept: "text/html" })).toBe(OTHER);
    expect(OTHER).toEqual({ class: "other", ecosystem: undefined, coding: "asked" });
  });

  test("looks at the path only: a query neither makes a package nor hides one", () => {
    fc.assert(
      fc.property(path, fc.stringMatching(/^[!-~]{0,40}$/), (raw, query) => {
        const plain = raw.replaceAll("?", "");
        const signed = makeTarget("https", ORIGIN, `${plain}?${query}`);
        return classify(signed) === classify(makeTarget("https", ORIGIN, plain));
      }),
    );
  });
});
