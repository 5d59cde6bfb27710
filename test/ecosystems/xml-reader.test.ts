import { describe, expect, test } from "vitest";
import { brokenMetadata } from "../../ecosystems/metadata.ts";
import { XmlReader } from "../../ecosystems/xml.ts";
import { reasonOf } from "./reader-workbench.ts";

type Seen = readonly [name: string, text: string, parents: string];

/** The elements of the first three levels, with the texts of those that are called `t`. */
function parse(...chunks: readonly (string | Uint8Array)[]): readonly Seen[] {
  const seen: Seen[] = [];
  const reader = new XmlReader({
    roots: ["root"],
    levels: 3,
    texts: new Set(["t"]),
    onElement: ({ name, text, parents }) => seen.push([name, text, parents.join("/")]),
  });
  for (const chunk of chunks) reader.push(Buffer.from(chunk));
  reader.finish();
  return seen;
}

describe("elements", () => {
  test("are told at their end, down to the last level of interest", () => {
    expect(parse("<root><a><t> x </t><b><t>deeper</t></b></a><t>y</t></root>")).toEqual([
      ["t", "x", "root/a"],
      ["b", "", "root/a"],
      ["a", "", "root"],
      ["t", "y", "root"],
      ["root", "", ""],
    ]);
  });

  test("have their names without prefix, their texts with entities and CDATA undone", () => {
    expect(parse("<p:root><p:t>&lt;&amp;&#233;&#x20AC;<![CDATA[<x>&amp;]]></p:t></p:root>")[0]).toEqual([
      "t",
      "<&é€<x>&amp;",
      "root",
    ]);
  });

  test("are read from whatever pieces, cut within a character or entity too", () => {
    const document = Buffer.from("\ufeff<?xml version='1.0' encoding='utf-8'?><root><t>é€😀&amp;</t></root>");
    expect(parse(...[...document].map((octet) => Uint8Array.of(octet)))[0]).toEqual(["t", "é€😀&", "root"]);
  });
});

test.for([
  [
    "an external entity",
    `<!DOCTYPE root [<!ENTITY x SYSTEM "file:///etc/passwd">]><root><t>&x;</t></root>`,
    /type declaration/,
  ],
  [
    "entities that grow",
    `<!DOCTYPE root [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><root>&b;</root>`,
    /type declaration/,
  ],
  ["a document type alone", "<!DOCTYPE root><root/>", /type declaration/],
  ["an entity that nobody declared", "<root><t>&nbsp;</t></root>", /not well-formed/],
  ["no end", "<root><t>x</t>", /not well-formed/],
  ["an end within a character", Buffer.from("<root>é").subarray(0, -1), /not in UTF-8/],
  ["elements that cross", "<root><a><b></a></b></root>", /not well-formed/],
  ["two roots", "<root/><root/>", /not well-formed/],
  ["something after its end", "<root/>text", /not well-formed/],
  ["an attribute twice", "<root a='1' a='2'/>", /not well-formed/],
  ["nothing at all", "", /not well-formed/],
  ["another root", "<html><body/></html>", /root element is html/],
  ["octets that are no UTF-8", Buffer.from("<root>\xff</root>", "latin1"), /not in UTF-8/],
  ["UTF-16", Buffer.from("\ufeff<root/>", "utf16le"), /not in UTF-8/],
  ["another encoding", `<?xml version="1.0" encoding="ISO-8859-1"?><root/>`, /not in UTF-8/],
  ["a control character", "<root><t>\u0001</t></root>", /not well-formed/],
  ["elements where text should be", "<root><t><location href='evil'/></t></root>", /only text may stand/],
  ["elements without end", "<a>".repeat(5_000_000).replace("<a>", "<root>"), /nest deeper/],
  ["a text without end", `<root><t>${"x".repeat(5 << 20)}`, /longer than/],
  ["a text of many pieces without end", `<root><t>${"<![CDATA[xxxxxxxxxxxx]]>".repeat(1 << 19)}`, /too long/],
  ["an attribute without end", `<root a="${"x".repeat(5 << 20)}`, /longer than/],
  [
    "attributes without end",
    `<root ${Array.from({ length: 500_000 }, (_, n) => `a${n}='x'`).join(" ")}`,
    /longer than/,
  ],
  ["a comment without end", `<root><!--${"x".repeat(5 << 20)}`, /longer than/],
] as const)("a document with %s is broken", ([, document, reason]) => {
  expect(reasonOf(() => parse(document))).toMatch(reason);
});

test("what a reader throws comes out as it is", () => {
  const reader = new XmlReader({
    roots: ["root"],
    levels: 1,
    texts: new Set(),
    onElement: () => {
      throw brokenMetadata("of the reader's own reason");
    },
  });
  expect(reasonOf(() => reader.push(Buffer.from("<root/>")))).toBe("of the reader's own reason");
});
