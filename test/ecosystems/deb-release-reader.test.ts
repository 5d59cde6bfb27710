import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chunkings, contents, hex, read, readChunks, reasonOf } from "./reader-workbench.ts";

const FOLDER = "dists/stable/";
const lines = (entries: readonly (readonly [string, number, string])[]) =>
  entries.map(([digest, bytes, name]) => ` ${digest} ${bytes} ${name}\n`).join("");

const PACKAGES = "main/binary-amd64/Packages";
const FACTS = `Origin: Debian
Label: Debian
Suite: stable
Codename: bookworm
Date: Sat, 09 Nov 2024 09:46:09 UTC
Valid-Until: Sat, 16 Nov 2024 09:46:09 UTC
`;
const RELEASE = `${FACTS}Acquire-By-Hash: yes
MD5Sum:
${lines([
  [hex(1, "md5"), 100, PACKAGES],
  [hex(2, "md5"), 50, `${PACKAGES}.xz`],
])}SHA256:
${lines([
  [hex(1), 100, PACKAGES],
  [hex(2), 50, `${PACKAGES}.xz`],
  [hex(3), 7, "main/Contents-amd64.gz"],
  [hex(4), 8, "main/source/Sources.gz"],
  [hex(5), 9, `${PACKAGES}.diff/Index`],
  [hex(6), 10, "main/i18n/Translation-en.bz2"],
])}`;

const signed = (text: string) => `-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

${text}-----BEGIN PGP SIGNATURE-----

iQEzBAEBCgAdFiEE
=abcd
-----END PGP SIGNATURE-----
`;

describe("a Release file", () => {
  test("declares its members relative to its own folder, each under its by-hash name as well", () => {
    const found = contents(read("deb-release", RELEASE));
    expect(found).toMatchObject({
      [`${FOLDER}${PACKAGES}.xz`]: `sha256 ${hex(2)} 50`,
      [`${FOLDER}main/binary-amd64/by-hash/SHA256/${hex(2)}`]: `sha256 ${hex(2)} 50`,
      [`${FOLDER}main/by-hash/SHA256/${hex(3)}`]: `sha256 ${hex(3)} 7`,
      [`${FOLDER}main/i18n/Translation-en.bz2`]: `sha256 ${hex(6)} 10`,
    });
    expect(Object.keys(found)).toHaveLength(12);
  });

  test("declares no by-hash names unless it says so", () => {
    const found = contents(read("deb-release", RELEASE.replace("Acquire-By-Hash: yes\n", "")));
    expect(Object.keys(found).filter((path) => path.includes("by-hash"))).toEqual([]);
  });

  test("tells what a packed member is once it is unpacked", () => {
    const { declared } = read("deb-release", RELEASE);
    const [packed] = declared.filter(({ path }) => path.endsWith("Packages.xz"));
    expect(packed).toMatchObject({
      kind: "member",
      opened: { digests: [{ algorithm: "sha256", digest: hex(1) }], bytes: 100 },
      document: { kind: "deb-packages", compression: "xz" },
    });
  });

  test("tells which of its members can be read, under their by-hash names too", () => {
    const kinds = read("deb-release", RELEASE).declared.map(({ path, document }) => [path, document?.kind]);
    expect(kinds.filter(([, kind]) => kind !== undefined)).toEqual([
      [`${FOLDER}${PACKAGES}`, "deb-packages"],
      [`${FOLDER}main/binary-amd64/by-hash/SHA256/${hex(1)}`, "deb-packages"],
      [`${FOLDER}${PACKAGES}.xz`, "deb-packages"],
      [`${FOLDER}main/binary-amd64/by-hash/SHA256/${hex(2)}`, "deb-packages"],
      [`${FOLDER}main/source/Sources.gz`, "deb-sources"],
      [`${FOLDER}main/source/by-hash/SHA256/${hex(4)}`, "deb-sources"],
      [`${FOLDER}${PACKAGES}.diff/Index`, "deb-pdiff-index"],
      [`${FOLDER}${PACKAGES}.diff/by-hash/SHA256/${hex(5)}`, "deb-pdiff-index"],
    ]);
  });

  test("says who published it, and when", () => {
    expect(read("deb-release", RELEASE).outcome.root).toEqual({
      origin: "Debian",
      suite: "stable",
      codename: "bookworm",
      revision: undefined,
      publishedMs: Date.UTC(2024, 10, 9, 9, 46, 9),
      expiresMs: Date.UTC(2024, 10, 16, 9, 46, 9),
    });
  });

  test("is believed in its strongest lists; MD5Sum and SHA1 count where there is nothing else", () => {
    const strong = `SHA512:\n${lines([[hex(1, "sha512"), 1, "a"]])}SHA256:\n${lines([[hex(1), 1, "a"]])}`;
    const weak = `SHA1:\n${lines([
      [hex(1, "sha1"), 1, "a"],
      [hex(2, "sha1"), 1, "b"],
    ])}MD5Sum:\n${lines([[hex(3, "md5"), 1, "c"]])}`;
    const digests = read("deb-release", strong + weak).declared.map(({ path, digests }) => [
      path,
      ...digests.map(({ algorithm }) => algorithm),
    ]);
    expect(digests).toEqual([
      [`${FOLDER}a`, "sha512", "sha256"],
      [`${FOLDER}b`, "sha1"],
      [`${FOLDER}c`, "md5"],
    ]);
  });

  test("never declares a root: apt-ftparchive lists the very file that it is writing", () => {
    const list = ["Release", "./InRelease", "Release.gpg", "main/binary-amd64/Release"].map(
      (name) => [hex(name), 38, name] as const,
    );
    expect(Object.keys(contents(read("deb-release", `SHA256:\n${lines(list)}`)))).toEqual([
      `${FOLDER}main/binary-amd64/Release`,
    ]);
  });

  test("of a flat repository declares beside itself", () => {
    const found = contents(read("deb-release", `SHA256:\n${lines([[hex(1), 1, "Packages"]])}`, { path: "Release" }));
    expect(found).toEqual({ Packages: `sha256 ${hex(1)} 1` });
  });

  test("may have CRLF, tabs and field names in any case", () => {
    const document = RELEASE.replaceAll("\n", "\r\n")
      .replace("SHA256:", "sha256 :".replace(" ", ""))
      .replaceAll(" 50 ", "\t 50 ");
    expect(contents(read("deb-release", document))).toEqual(contents(read("deb-release", RELEASE)));
  });

  test.for(["../Packages", "/etc/passwd", "a/../../b"])("is not believed about %s", (name) => {
    const { declared, outcome } = read("deb-release", `SHA256:\n${lines([[hex(1), 1, name]])}`);
    expect(declared).toEqual([]);
    expect(outcome.skipped).toBe(1);
  });

  test("is not believed about a file that it lists in two ways", () => {
    const digests = lines([
      [hex(1), 1, "a"],
      [hex(2), 1, "a"],
      [hex(3), 1, "b"],
    ]);
    const sizes = lines([[hex(3, "md5"), 2, "b"]]);
    const { declared, outcome } = read("deb-release", `SHA256:\n${digests}MD5Sum:\n${sizes}`);
    expect(declared).toEqual([]);
    expect(outcome.skipped).toBe(2);
  });

  test("takes back what two spellings of one path say differently", () => {
    const list = lines([
      [hex(1), 1, "a"],
      [hex(2), 1, "./a"],
      [hex(3), 1, "b"],
      [hex(3), 1, "./b"],
    ]);
    const { declared, outcome } = read("deb-release", `SHA256:\n${list}`);
    expect(declared.map(({ path }) => path)).toEqual([`${FOLDER}a`, `${FOLDER}b`]);
    expect([...outcome.ambiguous]).toEqual([`${FOLDER}a`]);
  });

  test.for([
    ["is empty", "", /none of the fields/],
    ["is a page of a captive portal", "<!DOCTYPE html>\n<html></html>\n", /name of a field/],
    ["is cut short in a line", RELEASE.slice(0, -4), /last line has no end/],
    ["has a second paragraph", `${RELEASE}\nSuite: evil\n`, /one paragraph/],
    ["says a thing twice", `${FACTS}Suite: testing\n`, /twice/],
    ["lists something else than files", `SHA256:\n ${hex(1)} Packages\n`, /not digest, size and name/],
    ["continues what never began", ` ${hex(1)} 1 a\n`, /never began/],
    ["is signed, and its name says it is not", signed(RELEASE), /name of a field/],
  ] as const)("that %s is broken", ([, document, reason]) => {
    expect(reasonOf(() => read("deb-release", document))).toMatch(reason);
  });

  test("whose line or field grows without end is broken, before it fills the memory", () => {
    expect(reasonOf(() => read("deb-release", `SHA256:\n ${"a".repeat(5 << 20)}\n`))).toMatch(/line is longer/);
    const chunk = Buffer.from(`${" a".repeat(50_000)}\n`.repeat(10));
    const endless = [Buffer.from("SHA256:\n"), ...Array.from({ length: 20 }, () => chunk)];
    expect(reasonOf(() => readChunks("deb-release", endless))).toMatch(/sha256 is too long/);
  });
});

describe("an InRelease file", () => {
  test("declares what its signed text declares", () => {
    expect(read("deb-inrelease", signed(RELEASE))).toEqual(read("deb-release", RELEASE));
    expect(read("deb-inrelease", signed(RELEASE).trimEnd())).toEqual(read("deb-release", RELEASE));
    expect(read("deb-inrelease", signed(RELEASE).replaceAll("\n", "\r\n"))).toEqual(read("deb-release", RELEASE));
  });

  test("has its dash-escaping undone (RFC 9580 §7.1)", () => {
    const text = RELEASE.replace("Suite: stable\n", "Suite: stable\nDescription: x\n  -dash\n");
    const escaped = signed(text.replace("Origin", "- Origin"));
    expect(read("deb-inrelease", escaped)).toEqual(read("deb-release", RELEASE));
  });

  test.for([
    ["is not signed", RELEASE, /begin as a clearsigned/],
    ["has text before the signed one", `Suite: evil\n${signed(RELEASE)}`, /begin as a clearsigned/],
    ["has text after the signature", `${signed(RELEASE)}Suite: evil\n`, /after its PGP signature/],
    ["holds a second message", signed(RELEASE) + signed(RELEASE), /after its PGP signature/],
    [
      "hides text among the headers",
      signed(RELEASE).replace("Hash: SHA512\n", "Hash: SHA512\nSuite: evil\n"),
      /before/,
    ],
    ["has a dash that is not escaped", signed(`-${RELEASE}`), /begins with a dash/],
    ["ends before its signature", signed(RELEASE).split("-----BEGIN PGP SIGNATURE")[0] ?? "", /cut short/],
    ["ends within its signature", signed(RELEASE).split("=abcd")[0] ?? "", /cut short/],
  ] as const)("that %s is broken", ([, document, reason]) => {
    expect(reasonOf(() => read("deb-inrelease", document))).toMatch(reason);
  });
});

test("a Release file of any files is read as it was written, in any pieces, signed or not", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9+.~_-]{0,12}(\/[A-Za-z0-9][A-Za-z0-9+.~_-]{0,12}){0,3}$/);
  const file = fc.record({ name, bytes: fc.nat(), sha512: fc.boolean(), sha256: fc.boolean() });
  const files = fc.uniqueArray(file, { selector: ({ name }) => name, maxLength: 20 });
  const release = files.map((all) => {
    const list = (algorithm: "sha512" | "sha256") =>
      lines(all.filter((one) => one[algorithm]).map(({ name, bytes }) => [hex(name, algorithm), bytes, name]));
    return { all, text: `Suite: x\nSHA256:\n${list("sha256")}SHA512:\n${list("sha512")}` };
  });
  const cases = release.chain(({ all, text }) =>
    fc.tuple(fc.constant(all), chunkings(Buffer.from(text)), chunkings(Buffer.from(signed(text)))),
  );
  fc.assert(
    fc.property(cases, ([all, plain, clearsigned]) => {
      const expected = all.flatMap(({ name, bytes, sha512, sha256 }) => {
        if (sha512) return [[`${FOLDER}${name}`, `sha512 ${hex(name, "sha512")} ${bytes}`]];
        return sha256 ? [[`${FOLDER}${name}`, `sha256 ${hex(name)} ${bytes}`]] : [];
      });
      expect(contents(readChunks("deb-release", plain))).toEqual(Object.fromEntries(expected));
      expect(readChunks("deb-inrelease", clearsigned)).toEqual(readChunks("deb-release", plain));
    }),
  );
});
