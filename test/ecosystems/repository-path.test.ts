import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeTarget, parseTarget } from "../../core/target.ts";
import { canonicalBase, canonicalPath, canonicalPathOfText, canonicalUri } from "../../ecosystems/repository-path.ts";

const uriOf = (uri: string) => canonicalUri(parseTarget(uri));

describe("a file name in metadata", () => {
  test.for([
    ["pool/main/c/curl/curl_7.88.1-10+deb12u5_amd64.deb", "pool/main/c/curl/curl_7.88.1-10+deb12u5_amd64.deb"],
    ["./foo_1.0~rc1_all.deb", "foo_1.0~rc1_all.deb"],
    ["a//b/./c", "a/b/c"],
    ["noarch/bar++-1.0~rc1-2^git.noarch.rpm", "noarch/bar++-1.0~rc1-2%5Egit.noarch.rpm"],
    ["sp ace", "sp%20ace"],
    ["...", "..."],
    ["a/..b/c..", "a/..b/c.."],
  ] as const)("%s has the canonical form %s", ([written, canonical]) => {
    expect(canonicalPath(written)).toBe(canonical);
  });

  test("is raw: a percent sign in it is a percent sign, and hides no way out", () => {
    expect(canonicalPath("bar_1%3a2.0_all.deb")).toBe("bar_1%253a2.0_all.deb");
    expect(canonicalPath("%2e%2e/etc/passwd")).toBe("%252e%252e/etc/passwd");
    expect(canonicalPath("a%2Fb")).toBe("a%252Fb");
  });

  test("that was read as text is taken in UTF-8", () => {
    expect(canonicalPathOfText("é.rpm")).toBe("%C3%A9.rpm");
    expect(canonicalPath("\xe9.deb")).toBe("%E9.deb");
  });

  test.for([
    "",
    "/",
    "/etc/passwd",
    "//host/a",
    ".",
    "./",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "a/",
    "a/.",
    "a\nb",
    "a\0b",
  ])("%j names nothing inside of its repository", (written) => {
    expect(canonicalPath(written)).toBeUndefined();
  });

  test("that is longer than any path of Linux is none", () => {
    expect(canonicalPath("a".repeat(4096))).toHaveLength(4096);
    expect(canonicalPath("a".repeat(4097))).toBeUndefined();
  });

  test("stays as it is once it is canonical and has no percent sign", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (written) => {
        const canonical = canonicalPathOfText(written);
        if (canonical === undefined || canonical.includes("%")) return;
        expect(canonicalPathOfText(canonical)).toBe(canonical);
      }),
    );
  });
});

describe("what a request asks for", () => {
  test("is found under the name of the metadata, as apt 2.6 and dnf 4.14 write it", () => {
    const asked = [
      ["./c/bar_1%253a2.0%20w_all.deb", "./c/bar_1%3a2.0 w_all.deb"],
      ["./foo_1.0%2bx%7e1_all.deb", "./foo_1.0+x~1_all.deb"],
      ["/noarch/bar%2b%2b-1.0~rc1%2bx-2%5egit.noarch.rpm", "noarch/bar++-1.0~rc1+x-2^git.noarch.rpm"],
      ["sp%20ace%2520%c3%a9%26x.rpm", "sp ace%20é&x.rpm"],
    ] as const;
    for (const [request, name] of asked)
      expect(uriOf(`http://h/base/${request}`), name).toBe(`http://h/base/${canonicalPathOfText(name)}`);
  });

  test("is found under any name, however much of it is percent-encoded", () => {
    const segment = fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).filter((text) => !text.includes("/"));
    const names = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join("/"));
    fc.assert(
      fc.property(names, fc.boolean(), (name, encodesAll) => {
        const path = canonicalPathOfText(name);
        if (path === undefined) return;
        const octets = [...Buffer.from(name)].map((octet) => {
          const character = String.fromCharCode(octet);
          const mayStand = character === "/" || (!encodesAll && /[\w.~+-]/.test(character));
          return mayStand ? character : `%${octet.toString(16).padStart(2, "0")}`;
        });
        expect(uriOf(`https://h/x/${octets.join("")}`)).toBe(`https://h/x/${path}`);
      }),
    );
  });

  test("may hold raw octets, one character for each as node:http gives them", () => {
    const target = makeTarget("http", { host: "h", port: 80 }, "/\xc3\xa9.rpm");
    expect(canonicalUri(target)).toBe("http://h/%C3%A9.rpm");
  });

  test.for([
    "http://h/",
    "http://h/folder/",
    "http://h/a/../b",
    "http://h/a/%2e%2E/b",
    "http://h/a%2fb",
    "http://h/a%00",
    "http://h/a%zz",
    "http://h/a%2",
    "http://h/a?b=c",
    "http://h/a?",
  ])("%s has no name that is sure", (uri) => {
    expect(uriOf(uri)).toBeUndefined();
  });

  test("keeps its port and scheme", () => {
    expect(uriOf("HTTPS://H.example.:8443//a")).toBe("https://h.example:8443/a");
    expect(uriOf("https://h:443/a")).toBe("https://h/a");
  });
});

describe("a base in a document", () => {
  test.for([
    ["http://h", "http://h/"],
    ["http://h/", "http://h/"],
    ["https://H/a//b/", "https://h/a/b/"],
    ["https://h/a%7eb", "https://h/a~b/"],
  ] as const)("%s has the canonical form %s", ([written, canonical]) => {
    expect(canonicalBase(written)).toBe(canonical);
  });

  test.for([
    "ftp://h/a",
    "rsync://h/a",
    "media://1#2",
    "/a",
    "../",
    "http://h/../",
    "http://u:p@h/",
    "http://h/?a",
    "http://h/a b",
  ])("%s is none that can be asked", (written) => {
    expect(canonicalBase(written)).toBeUndefined();
  });
});
