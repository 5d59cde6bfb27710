import { describe, expect, test } from "vitest";
import { parseTarget } from "../../core/target.ts";
import { locateMetadata } from "../../ecosystems/locate.ts";
import { contents, hex, read, reasonOf } from "./reader-workbench.ts";

const place = { base: "https://index.example/pypi/", path: "simple/larder/" };
const html = (body: string) => read("pypi-simple", `<!DOCTYPE html><html><body>${body}</body></html>`, place);
const json = (...files: readonly object[]) =>
  read("pypi-simple", JSON.stringify({ meta: { "api-version": "1.1" }, files }), place);
const link = (href: string, attributes = "") => `<a href="${href}" ${attributes}>a</a>`;
const where = ({ declared }: ReturnType<typeof html>) => declared.map(({ base = "", path }) => base + path);

describe("a page in HTML (PEP 503)", () => {
  test.for([
    ["../../packages/a-1.whl", "packages/a-1.whl"],
    ["a-1.whl", "simple/larder/a-1.whl"],
    ["/pypi/packages/a-1.whl", "packages/a-1.whl"],
    ["/packages/a-1.whl", "https://index.example/packages/a-1.whl"],
    ["../../../../../../a-1.whl", "https://index.example/a-1.whl"],
    ["https://files.example/x/a-1.whl", "https://files.example/x/a-1.whl"],
    ["//files.example/x/a-1.whl", "https://files.example/x/a-1.whl"],
    ["a-1%2Bcpu.whl", "simple/larder/a-1+cpu.whl"],
    ["a&#45;1.whl", "simple/larder/a-1.whl"],
    ["a-1.whl?X-Sig=a%2Fb", "simple/larder/a-1.whl%3FX-Sig=a%252Fb"],
  ] as const)("names by %s the file %s", ([href, name]) => {
    expect(where(html(link(`${href}#sha256=${hex(1)}`)))).toEqual([name]);
  });

  test("may say what its links are relative to", () => {
    const links = `<base href="/pypi/other/"><base href="/ignored/">${link(`a-1.whl#sha256=${hex(1)}`)}`;
    expect(where(html(links))).toEqual(["other/a-1.whl"]);
  });

  test.for([
    ["sha256", `sha256 ${hex(1)} undefined`],
    ["sha512", `sha512 ${hex(1, "sha512")} undefined`],
    ["sha1", `sha1 ${hex(1, "sha1")} undefined`],
    ["md5", `md5 ${hex(1, "md5")} undefined`],
  ] as const)("declares by %s", ([algorithm, content]) => {
    const reading = html(link(`a-1.whl#${algorithm}=${hex(1, algorithm)}`, 'data-yanked="bad"'));
    expect(contents(reading)).toEqual({ "simple/larder/a-1.whl": content });
    expect(reading.declared).toMatchObject([{ kind: "payload", name: "larder", version: "1" }]);
  });

  test.for([
    [`data-core-metadata="sha256=${hex(2)}"`, hex(2)],
    [`data-dist-info-metadata="sha256=${hex(3)}"`, hex(3)],
    [`data-core-metadata="sha256=${hex(2)}" data-dist-info-metadata="sha256=${hex(3)}"`, hex(2)],
    ['data-core-metadata="true"', undefined],
  ] as const)("declares the metadata beside a file by %s (PEP 658, 714)", ([attribute, digest]) => {
    const { declared } = html(link(`a-1.whl#sha256=${hex(1)}`, attribute));
    const member = declared.find(({ kind }) => kind === "member");
    expect(member?.digests[0]?.digest).toBe(digest);
    if (digest !== undefined) expect(member?.path).toBe("simple/larder/a-1.whl.metadata");
  });

  test.for([
    link("a-1.whl"),
    link(`a-1.whl#sha224=${hex(1)}`),
    link(`a-1.whl#sha256=${hex(1).slice(1)}`),
    link(`ftp://files.example/a-1.whl#sha256=${hex(1)}`),
    link(`https://user:pw@files.example/a-1.whl#sha256=${hex(1)}`),
    link(`https://[::/a-1.whl#sha256=${hex(1)}`),
  ])("declares nothing by %s, and counts it", (links) => {
    expect(html(links)).toMatchObject({ declared: [], outcome: { skipped: 1 } });
  });

  test("takes back what it says in two ways", () => {
    const twice = link(`a-1.whl#sha256=${hex(1)}`) + link(`a-1.whl#sha256=${hex(2)}`);
    expect([...html(twice).outcome.ambiguous]).toEqual(["simple/larder/a-1.whl"]);
  });

  const whole = `<html><body>${link(`a-1.whl#sha256=${hex(1)}`)}</body></html>`;
  test.for([
    ["", /empty/],
    [" \n", /empty/],
    [whole.slice(0, 20), /tag/],
    [whole.slice(0, -19), /no end/],
    [whole.slice(0, -3), /tag/],
    [whole.slice(0, -7), /no end/],
    [`<html><a href="${"a".repeat(5_000_000)}">`, /longer/],
    [`${link("a")}<base href="/b/">`, /base/],
  ] as const)("is broken when it is cut, or is no page: %#", ([text, reason]) => {
    expect(reasonOf(() => read("pypi-simple", text, place))).toMatch(reason);
  });

  test("is broken when it is not in UTF-8", () => {
    const latin = Buffer.concat([Buffer.from("<html>"), Buffer.from([0xe9]), Buffer.from("</html>")]);
    expect(reasonOf(() => read("pypi-simple", latin, place))).toMatch(/UTF-8/);
  });
});

describe("a page in JSON (PEP 691)", () => {
  test("declares files with size and time (PEP 700), and their metadata", () => {
    const { declared } = json({
      filename: "a-1.whl",
      url: "../../packages/a-1.whl",
      hashes: { sha256: hex(1), blake2b_256: hex(4), md5: hex(1, "md5") },
      size: 10,
      "upload-time": "2020-01-02T03:04:05.678901Z",
      yanked: "no good",
      "core-metadata": { sha256: hex(2) },
      "dist-info-metadata": { sha256: hex(3) },
    });
    expect(declared).toMatchObject([
      {
        path: "packages/a-1.whl",
        bytes: 10,
        publishedMs: Date.UTC(2020, 0, 2, 3, 4, 5, 678),
        digests: [{ digest: hex(1) }],
      },
      { kind: "member", path: "packages/a-1.whl.metadata", digests: [{ digest: hex(2) }] },
    ]);
  });

  test.for([
    { url: "a-1.whl" },
    { url: "a-1.whl", hashes: {} },
    { url: "a-1.whl", hashes: { sha256: 1 } },
    { url: 1, hashes: { sha256: hex(1) } },
    { hashes: { sha256: hex(1) } },
    null,
    "a",
  ])("declares nothing by %j, and counts it", (file) => {
    expect(json(file as object)).toMatchObject({ declared: [], outcome: { skipped: 1 } });
  });

  test("says no time and no size where it has none that can be read", () => {
    const { declared } = json({ url: "a-1.whl", hashes: { sha256: hex(1) }, size: -1, "upload-time": "soon" });
    expect(declared).toMatchObject([{ bytes: undefined, publishedMs: undefined }]);
  });

  test.for([
    ['{"meta":{"api-version":"2.0"},"files":[]}', /version 2/],
    ['{"files":[', /end is missing/],
    ['{"files":]}', /well-formed/],
    ['{"files":[]}{}', /well-formed/],
  ] as const)("is broken: %s", ([text, reason]) => {
    expect(reasonOf(() => read("pypi-simple", text, place))).toMatch(reason);
  });
});

test.for([
  ["https://pypi.org/simple/larder/", "https://pypi.org/ simple/larder/"],
  ["https://pypi.org/simple/larder", "https://pypi.org/ simple/larder"],
  ["https://h/root/pypi/+simple/larder/", "https://h/root/pypi/ +simple/larder/"],
  ["https://h/a/simple/larder/index.html", "https://h/a/ simple/larder/index.html"],
  ["https://h/whl/cu118/torch/", "https://h/whl/cu118/ torch/"],
  ["https://h/find-links.html", "https://h/ find-links.html"],
  ["https://h/simple/", undefined],
  ["https://h/", undefined],
] as const)("the page at %s is of the index %s", ([uri, expected]) => {
  const found = locateMetadata(parseTarget(uri), "pypi");
  expect(found?.role === "root" ? `${found.base} ${found.path}` : undefined).toBe(expected);
});
