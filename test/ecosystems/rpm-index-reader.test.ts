import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BASE, chunkings, contents, hex, read, readChunks, reasonOf } from "./reader-workbench.ts";

const HEAD = `<?xml version="1.0" encoding="UTF-8"?>\n`;
const escaped = (text: string) => text.replace(/[&<"]/g, (character) => `&#${character.charCodeAt(0)};`);

interface Data {
  readonly type: string;
  readonly href: string;
  readonly more?: string;
}
const data = ({ type, href, more = "" }: Data) => `<data type="${type}">
    <checksum type="sha256">${hex(href)}</checksum>
    <open-checksum type="sha256">${hex(`open ${href}`)}</open-checksum>
    <location href="${escaped(href)}"/>
    <timestamp>1700000000</timestamp>
    <size>100</size>
    <open-size>900</open-size>
    ${more}
  </data>\n`;
const repomd = (
  content: string,
) => `${HEAD}<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>1700000001</revision>
  <tags><content>binary-x86_64</content><content>debug</content><repo>a</repo></tags>
  ${content}</repomd>\n`;

describe("repomd.xml", () => {
  test("declares the files of repodata, and what they are unpacked", () => {
    const { declared, outcome } = read(
      "rpm-repomd",
      repomd(data({ type: "primary", href: "repodata/a-primary.xml.zst" })),
    );
    expect(declared).toEqual([
      {
        kind: "member",
        path: "repodata/a-primary.xml.zst",
        base: undefined,
        digests: [{ algorithm: "sha256", digest: hex("repodata/a-primary.xml.zst") }],
        bytes: 100,
        opened: { digests: [{ algorithm: "sha256", digest: hex("open repodata/a-primary.xml.zst") }], bytes: 900 },
        document: { kind: "rpm-primary", compression: "zstd" },
        name: "primary",
        version: undefined,
        arch: undefined,
      },
    ]);
    expect(outcome.root).toMatchObject({ revision: "1700000001", publishedMs: 1_700_000_000_000 });
  });

  test("tells by the type of data which files can be read, whatever they are called", () => {
    const all = ["primary", "primary_zck", "prestodelta", "deltainfo", "filelists", "primary_db", "updateinfo"];
    const { declared } = read("rpm-repomd", repomd(all.map((type) => data({ type, href: `r/${type}.zck` })).join("")));
    expect(declared.map(({ name, document }) => [name, document?.kind, document?.compression])).toEqual([
      ["primary", "rpm-primary", "zchunk"],
      ["primary_zck", "rpm-primary", "zchunk"],
      ["prestodelta", "rpm-deltainfo", "zchunk"],
      ["deltainfo", "rpm-deltainfo", "zchunk"],
      ["filelists", undefined, undefined],
      ["primary_db", undefined, undefined],
      ["updateinfo", undefined, undefined],
    ]);
  });

  test("may know sha512, and sha1 by its old name", () => {
    const document = repomd(data({ type: "primary", href: "a" }))
      .replace(`"sha256">${hex("a")}`, `"sha">${hex("a", "sha1")}`)
      .replace(`"sha256">${hex("open a")}`, `"sha512">${hex("open a", "sha512")}`);
    const { declared } = read("rpm-repomd", document);
    expect(declared[0]?.digests).toEqual([{ algorithm: "sha1", digest: hex("a", "sha1") }]);
    expect(declared[0]?.opened?.digests).toEqual([{ algorithm: "sha512", digest: hex("open a", "sha512") }]);
  });

  test("never declares itself or its signature", () => {
    const own = ["repodata/repomd.xml", "repodata/repomd.xml.asc", "repodata/repomd.xml.key"];
    const { declared } = read("rpm-repomd", repomd(own.map((href) => data({ type: "x", href })).join("")));
    expect(declared).toEqual([]);
  });

  test.for([
    ["a location outside of the repository", data({ type: "x", href: "../a" })],
    ["an absolute location", data({ type: "x", href: "/a" })],
    ["no location", data({ type: "x", href: "a" }).replace(/<location.*>/, "")],
    ["two locations", data({ type: "x", href: "a", more: `<location href="b"/>` })],
    ["no checksum", data({ type: "x", href: "a" }).replace(/<checksum.*>/, "")],
    ["a checksum of an unknown type", data({ type: "x", href: "a" }).replace("sha256", "sha224")],
    ["two checksums", data({ type: "x", href: "a", more: `<checksum type="sha256">${hex("b")}</checksum>` })],
  ] as const)("is not believed about a file with %s, and is about the others", ([, bad]) => {
    const { declared, outcome } = read("rpm-repomd", repomd(bad + data({ type: "y", href: "y" })));
    expect(declared.map(({ path }) => path)).toEqual(["y"]);
    expect(outcome.skipped).toBe(1);
  });

  test("may put files elsewhere by xml:base, which says nothing about this repository", () => {
    const elsewhere = data({ type: "primary", href: "a" }).replace(
      "<location",
      `<location xml:base="https://other.example/x"`,
    );
    expect(read("rpm-repomd", repomd(elsewhere)).declared[0]).toMatchObject({
      base: "https://other.example/x/",
      path: "a",
    });
  });
});

interface Rpm {
  readonly name: string;
  readonly href: string;
  readonly base?: string;
  readonly digest?: string;
  readonly description?: string;
}
const rpm = ({ name, href, base, digest = hex(href), description = "x" }: Rpm) => `<package type="rpm">
  <name>${escaped(name)}</name>
  <arch>noarch</arch>
  <version epoch="0" ver="1.0~rc1" rel="2.fc40"/>
  <checksum type="sha256" pkgid="YES">${digest}</checksum>
  <summary>a &amp; b</summary>
  <description>${description}</description>
  <time file="1700000000" build="1700000000"/>
  <size package="5613" installed="0" archive="124"/>
  <location ${base === undefined ? "" : `xml:base="${base}" `}href="${escaped(href)}"/>
  <format>
    <rpm:license>MIT</rpm:license>
    <rpm:provides>
      <rpm:entry name="bar++" flags="EQ" epoch="0" ver="1.0" rel="2"/>
    </rpm:provides>
    <file>/etc/name</file>
  </format>
</package>\n`;
const primary = (
  content: string,
) => `${HEAD}<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
${content}</metadata>\n`;

describe("primary.xml", () => {
  test("declares each package, with name, version and architecture", () => {
    const { declared } = read("rpm-primary", primary(rpm({ name: "bar++", href: "noarch/bar++-1.0.noarch.rpm" })));
    expect(declared).toEqual([
      {
        kind: "payload",
        path: "noarch/bar++-1.0.noarch.rpm",
        base: undefined,
        digests: [{ algorithm: "sha256", digest: hex("noarch/bar++-1.0.noarch.rpm") }],
        bytes: 5613,
        opened: undefined,
        document: undefined,
        name: "bar++",
        version: "1.0~rc1-2.fc40",
        arch: "noarch",
      },
    ]);
  });

  test("has the epoch before the version, unless it is 0", () => {
    const document = primary(rpm({ name: "a", href: "a" })).replace(`epoch="0"`, `epoch="3"`);
    expect(read("rpm-primary", document).declared[0]?.version).toBe("3:1.0~rc1-2.fc40");
  });

  test("has raw file names in its locations, entities undone (dnf 4.14 asks for %25)", () => {
    const written = primary(rpm({ name: "a", href: "X" })).replace(`href="X"`, `href="sp ace%20&#xE9;&amp;x.rpm"`);
    expect(Object.keys(contents(read("rpm-primary", written)))).toEqual(["sp%20ace%2520%C3%A9&x.rpm"]);
  });

  test("may have texts in CDATA, with comments and processing instructions between", () => {
    const document = primary(
      rpm({ name: "a", href: "a", description: "<![CDATA[</package><location href='evil'/>]]>" }),
    )
      .replace("<name>a<", "<name>b<![CDATA[&<c]]><!-- <location href='evil'/> --><?pi?>d<")
      .replace(hex("a"), `\n  <![CDATA[${hex("a")}]]>  `);
    expect(read("rpm-primary", document).declared).toMatchObject([
      { path: "a", name: "b&<cd", digests: [{ digest: hex("a") }] },
    ]);
  });

  test("looks at nothing but the children of a package", () => {
    const decoys = `<name>z</name><other><location href="evil"/><checksum type="md5">${hex("e", "md5")}</checksum></other>`;
    const inner = `<format><location href="evil"/><location><x><location href="evil"/></x></location></format>`;
    const document = primary(decoys + rpm({ name: "a", href: "a" }).replace("<format>", `${inner}<format>`));
    const { declared, outcome } = read("rpm-primary", document);
    expect(declared).toMatchObject([{ path: "a", name: "a" }]);
    expect(outcome.skipped).toBe(0);
  });

  test("puts a package elsewhere by xml:base, or here where that is below its own base", () => {
    const all = [
      rpm({ name: "a", href: "a.rpm", base: "https://other.example/pool" }),
      rpm({ name: "b", href: "b.rpm", base: `${BASE}pool/` }),
      rpm({ name: "c", href: "c.rpm", base: BASE.slice(0, -1) }),
      rpm({ name: "d", href: "a.rpm" }),
    ];
    const { declared, outcome } = read("rpm-primary", primary(all.join("")));
    expect(declared.map(({ base, path }) => [base, path])).toEqual([
      ["https://other.example/pool/", "a.rpm"],
      [undefined, "pool/b.rpm"],
      [undefined, "c.rpm"],
      [undefined, "a.rpm"],
    ]);
    expect(outcome.ambiguous).toEqual(new Set());
  });

  test.for([
    ["a location outside of the repository", rpm({ name: "a", href: "../a.rpm" })],
    ["an absolute location", rpm({ name: "a", href: "/a.rpm" })],
    ["a location that is a URL", rpm({ name: "a", href: "https://evil.example/../a.rpm" })],
    ["a base that larder cannot ask", rpm({ name: "a", href: "a.rpm", base: "media://1700000000.5#2" })],
    ["a relative base", rpm({ name: "a", href: "a.rpm", base: "../" })],
    ["no location", rpm({ name: "a", href: "a" }).replace(/<location.*>/, "")],
    ["two locations", rpm({ name: "a", href: "a" }).replace("<format>", `<location href="b"/><format>`)],
    ["no checksum", rpm({ name: "a", href: "a" }).replace(/<checksum.*>/, "")],
    ["a checksum of something else", rpm({ name: "a", href: "a" }).replace("YES", "NO")],
    ["a digest that is none", rpm({ name: "a", href: "a", digest: "0" })],
    ["another type", rpm({ name: "a", href: "a" }).replace(`type="rpm"`, `type="deb"`)],
  ] as const)("is not believed about a package with %s, and is about the others", ([, bad]) => {
    const { declared, outcome } = read("rpm-primary", primary(bad + rpm({ name: "y", href: "y" })));
    expect(declared.map(({ path }) => path)).toEqual(["y"]);
    expect(outcome.skipped).toBe(1);
  });

  test("takes back a path that it declares with two digests, here or elsewhere", () => {
    const base = "https://other.example/";
    const all = [
      rpm({ name: "a", href: "a" }),
      rpm({ name: "a", href: "./a", digest: hex("b") }),
      rpm({ name: "a", href: "a", base }),
      rpm({ name: "a", href: "a", base, digest: hex("b") }),
      rpm({ name: "c", href: "c" }),
      rpm({ name: "c", href: "c" }),
    ];
    const { outcome } = read("rpm-primary", primary(all.join("")));
    expect([...outcome.ambiguous]).toEqual(["a", `${base}a`]);
    expect(outcome.declared).toBe(3);
  });

  test("of any packages is read as it was written, in any pieces", () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9+.~^é& <"-]{0,10}$/);
    const text = fc.stringMatching(/^[ -~é€\n]{0,30}$/).map(escaped);
    const one = fc.record({ name, description: text });
    const cases = fc.uniqueArray(one, { selector: (all) => all.name.trim(), maxLength: 8 }).chain((all) => {
      const written = primary(all.map((each) => rpm({ ...each, href: `p/${each.name}` })).join(""));
      return fc.tuple(fc.constant(all), chunkings(Buffer.from(written)));
    });
    fc.assert(
      fc.property(cases, ([all, chunks]) => {
        const { declared } = readChunks("rpm-primary", chunks);
        expect(declared.map(({ name, digests: [digest] }) => [name, digest?.digest])).toEqual(
          all.map(({ name }) => [name.trim(), hex(`p/${name}`)]),
        );
      }),
    );
  });
});

describe("prestodelta.xml", () => {
  const delta = (filename: string) => `<delta oldepoch="0" oldversion="1" oldrelease="1">
      <filename>${filename}</filename><sequence>foo-1-1-95</sequence><size>2103</size>
      <checksum type="sha256">${hex(filename)}</checksum>
    </delta>`;
  const presto = (content: string) =>
    `${HEAD}<prestodelta><newpackage name="foo" epoch="0" version="2" release="1" arch="noarch">${content}</newpackage></prestodelta>`;

  test("declares the delta packages", () => {
    const found = contents(read("rpm-deltainfo", presto(delta("drpms/a.drpm") + delta("drpms/b.drpm"))));
    expect(found).toEqual({
      "drpms/a.drpm": `sha256 ${hex("drpms/a.drpm")} 2103`,
      "drpms/b.drpm": `sha256 ${hex("drpms/b.drpm")} 2103`,
    });
  });

  test("is not believed about files elsewhere", () => {
    const { declared, outcome } = read("rpm-deltainfo", presto(delta("../a.drpm") + delta("b.drpm")));
    expect(declared.map(({ path }) => path)).toEqual(["b.drpm"]);
    expect(outcome.skipped).toBe(1);
  });

  test("may be called deltainfo, as openSUSE has it", () => {
    const document = presto(delta("a.drpm")).replaceAll("prestodelta", "deltainfo");
    expect(read("rpm-deltainfo", document).declared).toHaveLength(1);
  });
});

test("a document that is another than its name says is broken", () => {
  expect(reasonOf(() => read("rpm-primary", repomd("")))).toBe("its root element is repomd, not metadata");
  expect(reasonOf(() => read("rpm-deltainfo", primary("")))).toMatch(/not prestodelta or deltainfo/);
});
