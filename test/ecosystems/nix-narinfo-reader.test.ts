import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseNixHash, toNixBase32 } from "../../ecosystems/nix/hash.ts";
import { contents, hex, read, reasonOf } from "./reader-workbench.ts";

const HASH = "00bgd045z0d4icpbc2yyz4gx48ak44la";
const LINES = {
  StorePath: `/nix/store/${HASH}-larder-1.0`,
  URL: "nar/1.nar.xz",
  Compression: "xz",
  FileHash: `sha256:${hex(1)}`,
  FileSize: "10",
  NarHash: `sha256:${hex(2)}`,
  NarSize: "20",
  References: "",
};
const written = (lines: Readonly<Record<string, string | undefined>>) =>
  Object.entries({ ...LINES, ...lines })
    .map(([name, value]) => (value === undefined ? "" : `${name}: ${value}\n`))
    .join("");
const base = "https://cache.example/";
const narinfo = (lines: Readonly<Record<string, string | undefined>> = {}) =>
  read("nix-narinfo", written(lines), { base });

describe("a narinfo", () => {
  test("declares the file of its nar", () => {
    expect(narinfo().declared).toMatchObject([
      { kind: "payload", path: "nar/1.nar.xz", bytes: 10, name: "larder-1.0" },
    ]);
    expect(contents(narinfo())).toEqual({ "nar/1.nar.xz": `sha256 ${hex(1)} 10` });
  });

  test.for([
    [`sha256:${toNixBase32(hex(1))}`],
    [`sha256:${Buffer.from(hex(1), "hex").toString("base64")}`],
    [`sha256-${Buffer.from(hex(1), "hex").toString("base64")}`],
  ])("may write its hash as %s", ([FileHash]) => {
    expect(contents(narinfo({ FileHash }))).toEqual({ "nar/1.nar.xz": `sha256 ${hex(1)} 10` });
  });

  test("that says nothing of the file declares the nar, where that is the file", () => {
    const silent = { FileHash: undefined, FileSize: undefined };
    expect(contents(narinfo({ ...silent, Compression: "none" }))).toEqual({ "nar/1.nar.xz": `sha256 ${hex(2)} 20` });
    expect(narinfo(silent)).toMatchObject({ declared: [], outcome: { skipped: 1 } });
  });

  test.for([
    ["1.nar?hash=abc", "1.nar%3Fhash=abc", undefined],
    ["/nar//1.nar", "nar/1.nar", undefined],
    ["https://elsewhere.example/a/1.nar", "a/1.nar", "https://elsewhere.example/"],
    [`${base}1.nar`, "1.nar", undefined],
  ] as const)("may have its nar at %s", ([URL, path, elsewhere]) => {
    expect(narinfo({ URL }).declared).toMatchObject([{ path, base: elsewhere }]);
  });

  test.for([{ URL: "../1.nar" }, { URL: "nar/%2e%2e/1.nar" }, { FileHash: "sha256:abc" }, { FileHash: "blake3:abc" }])(
    "declares nothing with %j, and counts it",
    (lines) => {
      expect(narinfo(lines)).toMatchObject({ declared: [], outcome: { skipped: 1 } });
    },
  );

  test.for([
    [written({}).slice(0, -1), /cut short/],
    [written({ StorePath: undefined }), /StorePath/],
    [written({ NarHash: "" }), /NarHash/],
    [`${written({})}FileHash: sha256:${hex(3)}\n`, /twice/],
    [`${written({})}nonsense\n`, /form/],
    [written({ References: "a ".repeat(600_000) }), /larger/],
    ["", /StorePath/],
  ] as const)("is broken: %#", ([text, reason]) => {
    expect(reasonOf(() => read("nix-narinfo", text, { base }))).toMatch(reason);
  });
});

test.for(["sha256", "sha512", "sha1", "md5"] as const)(
  "any %s can be written in Nix's base 32, and read",
  (algorithm) => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const digest = hex(seed, algorithm);
        expect(parseNixHash(`${algorithm}:${toNixBase32(digest)}`)).toEqual({ algorithm, digest });
      }),
    );
  },
);

test("base 32 is Nix's: what the real one prints for an empty file", () => {
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  expect(toNixBase32(empty)).toBe("0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73");
});
