import { describe, expect, test } from "vitest";
import { algorithmNamed, Declarations, orderDigests, parseBytes, parseDigests } from "../../ecosystems/declarations.ts";
import { hex, reasonOf } from "./reader-workbench.ts";

describe("digests as they are written", () => {
  test("are ordered by strength, in lower case; weak ones stay out where there is a strong one", () => {
    const sha256 = hex("a").toUpperCase();
    expect(orderDigests({ md5: hex("a", "md5"), sha256, sha512: hex("a", "sha512") })).toEqual([
      { algorithm: "sha512", digest: hex("a", "sha512") },
      { algorithm: "sha256", digest: hex("a") },
    ]);
    expect(orderDigests({ md5: hex("a", "md5"), sha1: hex("a", "sha1") })).toEqual([
      { algorithm: "sha1", digest: hex("a", "sha1") },
    ]);
  });

  test.for(["", "abc", `${hex("a")}0`, hex("a").slice(1), hex("a").replace(/.$/, " "), hex("a").replace(/.$/, "\n")])(
    "%j is none",
    (sha256) => {
      expect(orderDigests({ sha256 })).toEqual([]);
    },
  );

  test.for([
    ["sha256", "sha256"],
    ["SHA-512", "sha512"],
    ["sha", "sha1"],
    ["MD5Sum", "md5"],
    ["sha224", undefined],
    ["", undefined],
    ["constructor", undefined],
  ] as const)("of the kind %j are %s", ([name, algorithm]) => {
    expect(algorithmNamed(name)).toBe(algorithm);
  });

  test("of an unknown kind are none", () => {
    expect(parseDigests(`sha256 ${hex("a")}`)).toEqual([{ algorithm: "sha256", digest: hex("a") }]);
    for (const text of [undefined, "", "undefined ", `blake2 ${hex("a")}`, hex("a")])
      expect(parseDigests(text)).toEqual([]);
  });
});

test.for([
  ["0", 0],
  ["315360", 315360],
  ["", undefined],
  ["-1", undefined],
  ["1e3", undefined],
  ["1.5", undefined],
  [" 1", undefined],
  ["9".repeat(16), undefined],
] as const)("%j is a number of bytes: %s", ([text, bytes]) => {
  expect(parseBytes(text)).toBe(bytes);
});

test("a document that declares more files than any repository has is broken", () => {
  let emitted = 0;
  const declarations = new Declarations(() => {
    emitted += 1;
  });
  const digests = [{ algorithm: "md5", digest: hex(0, "md5") }] as const;
  const add = (path: string) => declarations.add({ kind: "payload", path, digests, bytes: 1 });
  const addAll = () => {
    for (;;) add(String(emitted));
  };
  expect(reasonOf(addAll)).toMatch(/declares more than 500000 files/);
  expect(emitted).toBe(500_000);
});
