import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chunkings, hex, read, readChunks, reasonOf } from "./reader-workbench.ts";

const url = (text: string, attributes = `protocol="https" preference="100"`) => `<url ${attributes}>${text}</url>`;
const root = (seed: string, bytes: number, seconds: number) => `<mm0:timestamp>${seconds}</mm0:timestamp>
   <size>${bytes}</size>
   <verification>
    <hash type="md5">${hex(seed, "md5")}</hash>
    <hash type="sha1">${hex(seed, "sha1")}</hash>
    <hash type="sha256">${hex(seed)}</hash>
    <hash type="sha512">${hex(seed, "sha512")}</hash>
   </verification>`;

/** As mirrormanager writes it. */
const metalink = (urls: string, name = "repomd.xml") => `<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" pubdate="Thu, 14 Nov 2024 20:00:00 GMT" generator="mirrormanager" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="${name}">
   ${root("now", 4000, 1_700_000_200)}
   <mm0:alternates>
    <mm0:alternate>${root("before", 3999, 1_700_000_100)}</mm0:alternate>
    <mm0:alternate>${root("long ago", 3998, 1_700_000_000)}</mm0:alternate>
   </mm0:alternates>
   <resources maxconnections="1">
    ${urls}
   </resources>
  </file>
 </files>
</metalink>
`;
const A = "https://a.example/fedora/40/os/";
const B = "http://b.example/pub/fedora/40/os/";
const REPOMD = "repodata/repomd.xml";

describe("a metalink", () => {
  test("names the mirrors, best first, each once, and only those that larder can ask", () => {
    const urls = [
      url(`${B}${REPOMD}`, `protocol="http" location="DE" preference="98"`),
      url(`rsync://a.example/fedora/40/os/${REPOMD}`, `protocol="rsync" preference="99"`),
      url(` ${A}${REPOMD} `, `protocol="https" preference="100"`),
      url(`${B}${REPOMD}`, `protocol="http" preference="90"`),
      url(`https://c.example/?${REPOMD}`),
      url(`https://c.example/fedora/${REPOMD}.asc`),
      url(`https://none.example/${REPOMD}`, ""),
    ];
    const { outcome } = read("rpm-metalink", metalink(urls.join("\n")));
    expect(outcome.mirrors?.bases).toEqual([A, B, "https://none.example/"]);
    expect(outcome.skipped).toBe(3);
  });

  test("tells every root that a mirror may serve, the newest first, with its strong digests", () => {
    const { outcome, declared } = read("rpm-metalink", metalink(url(`${A}${REPOMD}`)));
    expect(declared).toEqual([]);
    expect(outcome.mirrors?.roots.map(({ path, bytes, publishedMs }) => [path, bytes, publishedMs])).toEqual([
      [REPOMD, 4000, 1_700_000_200_000],
      [REPOMD, 3999, 1_700_000_100_000],
      [REPOMD, 3998, 1_700_000_000_000],
    ]);
    expect(outcome.mirrors?.roots[1]?.digests).toEqual([
      { algorithm: "sha512", digest: hex("before", "sha512") },
      { algorithm: "sha256", digest: hex("before") },
    ]);
  });

  test("may be of version 4 (RFC 5854)", () => {
    const document = `<metalink xmlns="urn:ietf:params:xml:ns:metalink"><generator>MirrorCache</generator>
      <file name="other"><hash type="sha-256">${hex("x")}</hash><url priority="1">https://x.example/other</url></file>
      <file name="repomd.xml"><size>4000</size><hash type="sha-256">${hex("now")}</hash>
      <pieces length="10" type="sha-1"><hash>${hex("piece", "sha1")}</hash></pieces>
      <url location="de" priority="2">${B}${REPOMD}</url><url priority="1">${A}${REPOMD}</url></file></metalink>`;
    expect(read("rpm-metalink", document).outcome.mirrors).toEqual({
      bases: [A, B],
      roots: [
        { path: REPOMD, digests: [{ algorithm: "sha256", digest: hex("now") }], bytes: 4000, publishedMs: undefined },
      ],
    });
  });

  test("is not believed about a root that it tells two digests of", () => {
    const twice = metalink(url(`${A}${REPOMD}`)).replace(
      "<size>4000",
      `<hash type="sha256">${hex("evil")}</hash><size>4000`,
    );
    const { outcome } = read("rpm-metalink", twice);
    expect(outcome.mirrors?.roots.map(({ bytes }) => bytes)).toEqual([3999, 3998]);
    expect(outcome.skipped).toBe(1);
  });

  test.for([
    ["speaks about another file", metalink(url(`${A}${REPOMD}`), "Fedora-40.iso"), /not speak about a repomd.xml/],
    ["speaks about it twice", metalink("").replace(" </files>", `<file name="repomd.xml"/></files>`), /twice/],
    ["is a web page", "<html><body>no such repository</body></html>", /root element is html/],
    ["is cut short", metalink("").slice(0, -20), /not well-formed/],
  ] as const)("that %s is broken", ([, document, reason]) => {
    expect(reasonOf(() => read("rpm-metalink", document))).toMatch(reason);
  });

  test("is read alike in any pieces", () => {
    const document = Buffer.from(metalink(url(`${A}${REPOMD}`) + url(`${B}${REPOMD}`)));
    const whole = readChunks("rpm-metalink", [document]);
    fc.assert(
      fc.property(chunkings(document), (chunks) => {
        expect(readChunks("rpm-metalink", chunks)).toEqual(whole);
      }),
    );
  });
});

describe("a mirrorlist", () => {
  test("names the mirrors in its order, each once", () => {
    const list = `# repo = BaseOS-9 arch = x86_64 country = DE\n\r\n${A}\r\n${B.slice(0, -1)}\n  ${A}\n`;
    expect(read("rpm-mirrorlist", list).outcome.mirrors).toEqual({ bases: [A, B], roots: [] });
  });

  test("may have no end after its last line, and no mirror at all", () => {
    expect(read("rpm-mirrorlist", A).outcome.mirrors?.bases).toEqual([A]);
    expect(read("rpm-mirrorlist", "# no mirrors found\n").outcome.mirrors?.bases).toEqual([]);
    expect(read("rpm-mirrorlist", "").outcome.mirrors?.bases).toEqual([]);
  });

  test("is not believed about mirrors that larder cannot ask", () => {
    const list = [
      "ftp://h/a",
      "rsync://h/a",
      "https://h/$basearch/",
      "https://u:p@h/",
      "https://h/../a",
      "https://h/?a",
      B,
    ];
    const { outcome } = read("rpm-mirrorlist", list.join("\n"));
    expect(outcome.mirrors?.bases).toEqual([B]);
    expect(outcome.skipped).toBe(6);
  });

  test.for(["<html>\n", "error: invalid repo\n", `${A} ${B}\n`, "/pub/fedora\n"])(
    "with the line %j is broken",
    (line) => {
      expect(reasonOf(() => read("rpm-mirrorlist", `${A}\n${line}`))).toBe(
        "a line in it is neither a URL nor a comment",
      );
    },
  );

  test("is read alike in any pieces", () => {
    const document = Buffer.from(`# é\n${A}\r\n${B}\n${A}x`);
    fc.assert(
      fc.property(chunkings(document), (chunks) => {
        expect(readChunks("rpm-mirrorlist", chunks).outcome.mirrors?.bases).toEqual([A, B, `${A}x/`]);
      }),
    );
  });
});
