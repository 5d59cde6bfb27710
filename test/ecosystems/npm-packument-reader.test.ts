import { describe, expect, test } from "vitest";
import { parseTarget } from "../../core/target.ts";
import { parseIntegrity } from "../../ecosystems/integrity.ts";
import { locateMetadata } from "../../ecosystems/locate.ts";
import { hex, read, reasonOf } from "./reader-workbench.ts";

const BASE = "https://registry.example/npm/";
const sri = (seed: number, algorithm = "sha512") =>
  `${algorithm}-${Buffer.from(hex(seed, algorithm), "hex").toString("base64")}`;
const packument = (document: unknown) =>
  read("npm-packument", JSON.stringify(document), { base: BASE, path: "@larder/a" });
const version = (dist: object) => packument({ versions: { "1.0.0": { dist } } });
const tarball = `${BASE}@larder/a/-/a-1.0.0.tgz`;

describe("a packument", () => {
  test("declares the tarball of each version, with the time that stands behind them", () => {
    const { declared } = packument({
      time: { created: "2020-01-01T00:00:00.000Z", "2.0.0": "2021-01-01T00:00:00.000Z" },
      versions: {
        "1.0.0": { dist: { tarball, integrity: sri(1), shasum: hex(1, "sha1") } },
        "2.0.0": { dist: { tarball: tarball.replace("1.0.0", "2.0.0"), integrity: sri(2) } },
      },
    });
    expect(declared).toMatchObject([
      {
        path: "@larder/a/-/a-1.0.0.tgz",
        name: "@larder/a",
        version: "1.0.0",
        publishedMs: undefined,
        bytes: undefined,
      },
      { path: "@larder/a/-/a-2.0.0.tgz", version: "2.0.0", publishedMs: Date.UTC(2021, 0, 1) },
    ]);
    expect(declared[0]?.digests).toEqual([{ algorithm: "sha512", digest: hex(1, "sha512") }]);
  });

  test("of one version declares its own", () => {
    expect(packument({ version: "1.0.0", dist: { tarball, integrity: sri(1) } }).declared).toHaveLength(1);
  });

  test.for([
    [{ tarball, shasum: hex(1, "sha1") }, "sha1"],
    [{ tarball, integrity: sri(1, "sha1"), shasum: hex(1, "sha1") }, "sha1"],
    [{ tarball, integrity: `${sri(1, "sha1")} ${sri(1, "sha256")}` }, "sha256"],
    [{ tarball, integrity: `${sri(1)}?opt ${sri(2)}` }, "sha512"],
  ] as const)("by %j declares a %s", ([dist, algorithm]) => {
    expect(version(dist).declared[0]?.digests[0]).toEqual({ algorithm, digest: hex(1, algorithm) });
  });

  test("may name tarballs of another host", () => {
    expect(version({ tarball: "https://files.example/a.tgz", integrity: sri(1) }).declared).toMatchObject([
      { base: "https://files.example/", path: "a.tgz" },
    ]);
  });

  test.for([
    {},
    { tarball },
    { tarball, integrity: "sha3-abc" },
    { tarball: 1, integrity: sri(1) },
    { tarball: "", integrity: sri(1) },
  ])("declares nothing by %j, and counts it", (dist) => {
    expect(version(dist)).toMatchObject({ declared: [], outcome: { skipped: 1 } });
  });

  test("that says two things of one tarball is believed in neither", () => {
    const one = (seed: number) => `{"dist":{"tarball":"${tarball}","integrity":"${sri(seed)}"}}`;
    const text = `{"versions":{"1.0.0":${one(1)},"1.0.0":${one(2)}}}`;
    expect(read("npm-packument", text, { base: BASE, path: "@larder/a" }).outcome.ambiguous.size).toBe(1);
  });

  test.for(["", "{", "[1,", '{"versions":{"1.0.0":{"dist":{}}}', "\u0000"])("is broken: %j", (text) => {
    expect(reasonOf(() => read("npm-packument", text))).toBeDefined();
  });
});

test("integrity of an unknown kind is none", () => {
  expect(parseIntegrity("sha3-abcd md5- nonsense")).toEqual({});
});

test.for([
  ["https://registry.npmjs.org/left-pad", "https://registry.npmjs.org/ left-pad"],
  ["https://registry.npmjs.org/@s%2fname", "https://registry.npmjs.org/ @s/name"],
  ["https://registry.npmjs.org/@s%2Fname", "https://registry.npmjs.org/ @s/name"],
  ["https://registry.npmjs.org/@s/name", "https://registry.npmjs.org/ @s/name"],
  ["https://h/artifactory/api/npm/npm/@s%2fname", "https://h/artifactory/api/npm/npm/ @s/name"],
  ["https://h/", undefined],
] as const)("the packument at %s is of the registry %s", ([uri, expected]) => {
  const found = locateMetadata(parseTarget(uri), "npm");
  expect(found?.role === "root" ? `${found.base} ${found.path}` : undefined).toBe(expected);
});
