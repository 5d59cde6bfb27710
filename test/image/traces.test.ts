import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import tar from "tar-stream";
import { describe, expect } from "vitest";
import type { ImageConfiguration } from "../../image/contents.ts";
import { findDifferences } from "../../image/differences.ts";
import { readLayer } from "../../image/layer.ts";
import { caMarks, findTraces } from "../../image/traces.ts";
import { test } from "../support/fixtures.ts";

type Files = Readonly<Record<string, string | Buffer>>;

function layerOf(files: Files): Readable {
  const pack = tar.pack();
  for (const [name, content] of Object.entries(files)) pack.entry({ name, mtime: new Date(0) }, Buffer.from(content));
  pack.finalize();
  return pack as unknown as Readable;
}

async function image(files: Files, configuration: Partial<ImageConfiguration> = {}, marks: readonly Buffer[] = []) {
  const layers = [await readLayer(layerOf(files), { marks, hashes: true })];
  return { configuration: { rootfs: { diff_ids: [JSON.stringify(files)] }, ...configuration }, layers };
}

const config = (Env: readonly string[]) => ({ config: { Env } });

describe("traces of larder in an image", () => {
  test.for([
    "http_proxy=http://127.0.0.1:3142",
    "HTTPS_PROXY=http://host.containers.internal:41000",
    "https_proxy=http://10.88.0.1:4000/",
    "HTTP_PROXY=http://cache.lan:3142",
    "no_proxy=localhost,127.0.0.1,::1,host.containers.internal",
    "SSL_CERT_FILE=/dev/larder/bundle.pem",
  ])("a variable: %s", async (entry) => {
    const [name] = entry.split("=");
    expect(findTraces(await image({}, config(["PATH=/bin", entry])))).toMatchObject([
      { kind: "variable", where: name },
    ]);
  });

  test.for([
    "http_proxy=http://proxy.example:8080",
    "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
    "no_proxy=localhost",
    "LARDER=yes",
  ])("not a variable of the image's own: %s", async (entry) => {
    expect(findTraces(await image({}, config([entry])))).toEqual([]);
  });

  test("a history line that sets one, not one that only mentions it", async () => {
    const lines = ["|1 https_proxy=http://127.0.0.1:40000 /bin/sh -c apt-get update", "/bin/sh -c ls /dev/larder"];
    const history = lines.map((created_by) => ({ created_by }));
    expect(findTraces(await image({}, { history }))).toMatchObject([{ kind: "history", where: "line 1" }]);
  });

  test("a label", async () => {
    const found = findTraces(await image({}, { config: { Labels: { ca: "/dev/larder/bundle.pem" } } as object }));
    expect(found).toMatchObject([{ kind: "setting", where: "Labels" }]);
  });

  test("the CA alone, in a bundle, in DER, and across two reads; not another CA", async ({ authority }) => {
    const pem = authority.caPem;
    const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");
    const marks = caMarks(pem);
    const files = {
      "etc/alone.pem": pem,
      "etc/bundle.pem": Buffer.concat([Buffer.alloc(65_500, "x"), Buffer.from(pem), Buffer.alloc(100_000, "y")]),
      "etc/one-line.json": JSON.stringify(pem.replaceAll("\n", "")),
      "etc/keystore": Buffer.concat([Buffer.alloc(1000), der]),
      "etc/other.pem": authority.certificate("good").cert,
    };
    const found = findTraces(await image(files, {}, marks));
    expect(found.map(({ where }) => where.replace(/ .*/, ""))).toEqual([
      "/etc/alone.pem",
      "/etc/bundle.pem",
      "/etc/one-line.json",
      "/etc/keystore",
    ]);
    expect(await readFile(authority.caFile, "utf8")).toBe(pem);
  });

  test("what a mount leaves: an empty file where one was mounted, and the folder itself", async () => {
    const files = { "etc/dnf/dnf.conf": "", "dev/larder/bundle.pem": "", "etc/wgetrc": "x", "etc/empty": "" };
    const found = findTraces(await image(files));
    expect(found.map(({ where }) => where)).toEqual([
      "/dev/larder/bundle.pem (layer 1)",
      "/etc/dnf/dnf.conf (layer 1)",
    ]);
  });

  test("not the mark of a file that the image itself has removed", async () => {
    const files = { "usr/local/share/ca-certificates/.wh.own.crt": "", "etc/apt/apt.conf.d/.wh..wh..opq": "" };
    expect(findTraces(await image(files))).toEqual([]);
  });
});

describe("an image beside the same without larder", () => {
  test("is equal whenever it was made", async () => {
    const one = { ...config(["A=1"]), history: [{ created_by: "x", created: "now" }], created: "now" };
    const other = { ...config(["A=1"]), history: [{ created_by: "x", created: "then" }], created: "then" };
    expect(findDifferences(await image({ a: "1" }, one), await image({ a: "1" }, other))).toEqual([]);
  });

  test("is equal whatever ids Docker's format notes of the containers that it was made in", async () => {
    const made = (id: string, env: string) => ({
      container: id.repeat(5),
      parent: `sha256:${id}`,
      config: { Env: [env], Hostname: id },
      container_config: { Env: [env], Hostname: id },
      history: [{ created_by: "x", comment: `FROM ${id}` }],
    });
    const one = await image({}, made("f4f1272dec14", "A=1"));
    expect(findDifferences(one, await image({}, made("bc6880275a97", "A=1")))).toEqual([]);
    const found = findDifferences(one, await image({}, made("bc6880275a97", "A=2")));
    expect(found.map(({ where }) => where)).toEqual(["Env", "container_config"]);
  });

  test("differs by fields of its configuration and by files", async () => {
    const one = await image({ a: "1", b: "2" }, config(["A=1"]));
    const other = await image({ a: "1", b: "3", c: "" }, config([]));
    expect(findDifferences(one, other).map(({ kind, where, what }) => `${kind} ${where} ${what}`)).toEqual([
      'configuration Env is ["A=1"], not []',
      expect.stringContaining("layer layer 1 is"),
      "file /b (layer 1) differs in sha256",
      "file /c (layer 1) is missing",
    ]);
  });
});
