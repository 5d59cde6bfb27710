import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BASE, chunkings, contents, hex, read, readChunks, reasonOf } from "./reader-workbench.ts";

const stanza = (fields: Readonly<Record<string, string | number | undefined>>) =>
  `${Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("")}\n`;

const CURL = {
  Package: "curl",
  Version: "7.88.1-10+deb12u5",
  Architecture: "amd64",
  Maintainer: "Alessandro Ghedini <ghedo@debian.org>",
  Description: "command line tool for transferring data with URL syntax\n curl is a command line tool\n .\n for all",
  Filename: "pool/main/c/curl/curl_7.88.1-10+deb12u5_amd64.deb",
  Size: 315360,
  MD5sum: hex("curl", "md5"),
  SHA256: hex("curl"),
};

describe("a Packages index", () => {
  test("declares each package, with name, version and architecture", () => {
    const { declared, outcome } = read("deb-packages", stanza(CURL) + stanza({ ...CURL, Filename: "pool/b.deb" }));
    expect(declared[0]).toEqual({
      kind: "payload",
      path: CURL.Filename,
      base: undefined,
      digests: [{ algorithm: "sha256", digest: CURL.SHA256 }],
      bytes: CURL.Size,
      opened: undefined,
      document: undefined,
      name: "curl",
      version: CURL.Version,
      arch: "amd64",
    });
    expect(declared).toHaveLength(2);
    expect(outcome).toEqual({ declared: 2, skipped: 0, ambiguous: new Set(), root: undefined, mirrors: undefined });
  });

  test("has its strongest digest first, and weak ones only where there is nothing else", () => {
    const SHA1 = hex("curl", "sha1");
    const SHA512 = hex("curl", "sha512");
    const digestsOf = (fields: object) =>
      read("deb-packages", stanza({ ...CURL, ...fields })).declared[0]?.digests.map(({ algorithm }) => algorithm);
    expect(digestsOf({ SHA512, SHA1 })).toEqual(["sha512", "sha256"]);
    expect(digestsOf({ SHA256: undefined, SHA1 })).toEqual(["sha1"]);
    expect(digestsOf({ SHA256: undefined })).toEqual(["md5"]);
  });

  test("may be empty, or have no line after its last package, or many between them", () => {
    expect(read("deb-packages", "").declared).toEqual([]);
    expect(read("deb-packages", "\n \n\n").declared).toEqual([]);
    expect(read("deb-packages", `\n\n${stanza(CURL).trim()}\n`).declared).toHaveLength(1);
    expect(read("deb-packages", `${stanza(CURL)}\n\n\n${stanza(CURL)}`).declared).toHaveLength(1);
  });

  test("may have CRLF, and names and digests in any case", () => {
    const document = stanza({
      ...CURL,
      SHA256: undefined,
      sha256: CURL.SHA256.toUpperCase(),
      FILENAME: CURL.Filename,
      Filename: undefined,
    });
    expect(contents(read("deb-packages", document.replaceAll("\n", "\r\n")))).toEqual({
      [CURL.Filename]: `sha256 ${CURL.SHA256} ${CURL.Size}`,
    });
  });

  test("may hold octets that are no UTF-8, in names as elsewhere", () => {
    const document = stanza({ ...CURL, Maintainer: "J\xf6rg", Filename: "pool/\xe9.deb" });
    const { declared } = readChunks("deb-packages", [Buffer.from(document, "latin1")]);
    expect(declared.map(({ path }) => path)).toEqual(["pool/%E9.deb"]);
  });

  test.for([
    ["no Filename", { Filename: undefined }],
    ["no Size", { Size: undefined }],
    ["a Size that is none", { Size: "0x10" }],
    ["no digest", { SHA256: undefined, MD5sum: undefined }],
    ["a digest of the wrong length", { SHA256: CURL.SHA256.slice(1), MD5sum: undefined }],
    ["a digest that is none", { SHA256: CURL.SHA256.replace(/^./, "g"), MD5sum: undefined }],
    ["a Filename outside of the repository", { Filename: "../curl.deb" }],
    ["an absolute Filename", { Filename: "/pool/curl.deb" }],
    ["a Filename that is a URL", { Filename: "//evil.example/../curl.deb" }],
    ["a folded Filename", { Filename: "pool/\n curl.deb" }],
    ["two different digests", { SHA256: `${CURL.SHA256}\nSHA256: ${hex("other")}` }],
  ] as const)("is not believed about a package with %s, and is about the others", ([, fields]) => {
    const { declared, outcome } = read(
      "deb-packages",
      stanza({ ...CURL, ...fields }) + stanza({ ...CURL, Filename: "b" }),
    );
    expect(declared.map(({ path }) => path)).toEqual(["b"]);
    expect(outcome.skipped).toBe(1);
  });

  test("takes back a path that it declares with two digests or sizes", () => {
    const document = [
      CURL,
      { ...CURL, Filename: "b" },
      { ...CURL, SHA256: hex(1) },
      { ...CURL, Filename: "./b", Size: 1 },
    ];
    const { outcome } = read("deb-packages", document.map(stanza).join(""));
    expect([...outcome.ambiguous]).toEqual([CURL.Filename, "b"]);
    expect(outcome.declared).toBe(2);
  });

  test.for([
    ["is a web page", "<!DOCTYPE html>\n", /name of a field/],
    ["is cut short in a line", stanza(CURL).slice(0, -3), /last line has no end/],
    ["continues what never began", ` a\n${stanza(CURL)}`, /never began/],
    ["has a line without a name", `${stanza(CURL)}: a\n`, /name of a field/],
    ["has a comment", `# by hand\n${stanza(CURL)}`, /line 1 .*name of a field/],
    ["has a name with a blank", `SHA 256: ${CURL.SHA256}\n`, /name of a field/],
    ["has a line without end", `Depends: ${"a".repeat(5 << 20)}\n`, /longer than/],
  ] as const)("that %s is broken", ([, document, reason]) => {
    expect(reasonOf(() => read("deb-packages", document))).toMatch(reason);
  });

  test("of any packages is read as it was written, in any pieces", () => {
    const word = fc.stringMatching(/^[a-z0-9][a-z0-9+.~-]{0,10}$/);
    const value = fc.string({ maxLength: 40 }).map((text) => text.replace(/[\r\n]/g, ""));
    const one = fc.record({ name: word, folder: word, bytes: fc.nat(), description: value, folded: value });
    const packages = fc.uniqueArray(one, { selector: ({ name, folder }) => `${folder}/${name}`, maxLength: 12 });
    const written = packages.map((all) => ({
      all,
      text: all
        .map(({ name, folder, bytes, description, folded }) =>
          stanza({
            Package: name,
            Description: `${description}\n ${folded}`,
            Filename: `${folder}/${name}`,
            Size: bytes,
            SHA256: hex(name),
          }),
        )
        .join(""),
    }));
    const cases = written.chain(({ all, text }) => fc.tuple(fc.constant(all), chunkings(Buffer.from(text))));
    fc.assert(
      fc.property(cases, ([all, chunks]) => {
        const expected = all.map(({ name, folder, bytes }) => [`${folder}/${name}`, `sha256 ${hex(name)} ${bytes}`]);
        expect(contents(readChunks("deb-packages", chunks))).toEqual(Object.fromEntries(expected));
      }),
    );
  });
});

describe("the Packages index of a flat repository", () => {
  const pathsOf = (Filename: string, base: string) =>
    read("deb-packages", stanza({ ...CURL, Filename }), { base, path: "Packages" }).declared.map(({ path }) => path);

  test("declares what is below its own folder, as in `deb https://h/debian ./`", () => {
    expect(pathsOf("./curl.deb", "https://h/debian/")).toEqual(["curl.deb"]);
    expect(pathsOf("./amd64/curl.deb", "https://h/debian/")).toEqual(["amd64/curl.deb"]);
  });

  test("declares it also where the folder is part of the name, as in `deb https://h/jenkins binary/`", () => {
    expect(pathsOf("binary/a.deb", "https://h/jenkins/binary/")).toEqual(["binary/a.deb", "a.deb"]);
    expect(pathsOf("./b/c/a.deb", "https://h/b/c/")).toEqual(["b/c/a.deb", "a.deb"]);
  });

  test("says nothing about other folders of its host", () => {
    expect(pathsOf("pool/a.deb", "https://h/jenkins/binary/")).toEqual(["pool/a.deb"]);
    expect(pathsOf("../pool/a.deb", "https://h/jenkins/binary/")).toEqual([]);
  });
});

describe("a Sources index", () => {
  const file = (digest: string, bytes: number, name: string) => `\n ${digest} ${bytes} ${name}`;
  const DSC = "curl_7.88.1-10.dsc";
  const ORIG = "curl_7.88.1.orig.tar.gz";
  const SOURCE = {
    Package: "curl",
    Version: "7.88.1-10",
    Directory: "pool/main/c/curl",
    Files: file(hex(DSC, "md5"), 10, DSC) + file(hex(ORIG, "md5"), 20, ORIG),
    "Checksums-Sha256": file(hex(DSC), 10, DSC) + file(hex(ORIG), 20, ORIG),
  };

  test("declares the files of each source package below its Directory", () => {
    const { declared } = read("deb-sources", stanza(SOURCE));
    expect(declared.map(({ path, bytes }) => [path, bytes])).toEqual([
      [`pool/main/c/curl/${DSC}`, 10],
      [`pool/main/c/curl/${ORIG}`, 20],
    ]);
    expect(declared[0]).toMatchObject({
      kind: "payload",
      digests: [{ algorithm: "sha256", digest: hex(DSC) }],
      name: "curl",
      version: "7.88.1-10",
      arch: "source",
    });
  });

  test.for([undefined, ".", "./"])(
    "of a flat repository, with the Directory %j, declares beside itself",
    (Directory) => {
      const { declared } = read("deb-sources", stanza({ ...SOURCE, Directory }), { path: "Sources" });
      expect(declared.map(({ path }) => path)).toEqual([DSC, ORIG]);
    },
  );

  test.for([
    ["a file elsewhere", { "Checksums-Sha256": file(hex(DSC), 10, `../${DSC}`), Files: undefined }],
    ["a Directory elsewhere", { "Checksums-Sha256": file(hex(DSC), 10, DSC), Files: undefined, Directory: "../x" }],
    ["sizes that differ", { "Checksums-Sha256": file(hex(DSC), 11, DSC), Files: file(hex(DSC, "md5"), 10, DSC) }],
  ] as const)("is not believed about %s", ([, fields]) => {
    const { declared, outcome } = read("deb-sources", stanza({ ...SOURCE, ...fields }));
    expect(declared).toEqual([]);
    expect(outcome.skipped).toBe(1);
  });
});

describe("a pdiff index", () => {
  const NAME = "T-2024-11-09-0803.46-F-2024-11-08-0803.15";
  const INDEX = `SHA256-Current: ${hex("now")} 1000
SHA256-History:
 ${hex("then")} 990 ${NAME}
SHA256-Patches:
 ${hex("patch")} 300 ${NAME}
SHA256-Download:
 ${hex("packed")} 120 ${NAME}.gz
X-Patch-Precedence: merged
`;

  test("declares its packed patches beside itself, and what they are unpacked", () => {
    const { declared } = read("deb-pdiff-index", INDEX);
    expect(declared).toHaveLength(1);
    expect(declared[0]).toMatchObject({
      kind: "member",
      path: `dists/stable/main/binary-amd64/Packages.diff/${NAME}.gz`,
      digests: [{ algorithm: "sha256", digest: hex("packed") }],
      bytes: 120,
      opened: { digests: [{ algorithm: "sha256", digest: hex("patch") }], bytes: 300 },
      document: undefined,
    });
  });

  test("that tells the digests of unpacked patches only declares nothing", () => {
    expect(read("deb-pdiff-index", INDEX.replace("SHA256-Download", "X-Download")).declared).toEqual([]);
  });

  test("is not believed about patches elsewhere", () => {
    const { declared, outcome } = read("deb-pdiff-index", INDEX.replace(`${NAME}.gz`, `../../${NAME}.gz`), {
      base: BASE,
    });
    expect(declared).toEqual([]);
    expect(outcome.skipped).toBe(1);
  });
});
