import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect } from "vitest";
import { sendRaw } from "../../support/client.ts";
import { findFiles } from "../../support/files.ts";
import { noise } from "../../support/noise.ts";
import type { Origin } from "../../support/origin.ts";
import { type Bench, test } from "../workbench.ts";

const SIMPLE_JSON = "application/vnd.pypi.simple.v1+json";
const FRESH = { "Cache-Control": "max-age=600" };

/** One origin-form request to larder itself. */
async function ask({ port }: Bench, path: string, ...more: string[]) {
  const fields = ["Connection: close", ...more];
  if (!more.some((line) => /^host:/i.test(line))) fields.unshift(`Host: 127.0.0.1:${port}`);
  const text = await sendRaw(port, `GET ${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`);
  const [head = "", ...body] = text.split("\r\n\r\n");
  return { status: Number(head.slice(9, 12)), head, body: body.join("\r\n\r\n") };
}

const authorityOf = (origin: Origin) => new URL(origin.url).host;

describe("a mirror URL", () => {
  test("answers what its origin has, https and http, verified and stored like any other", async ({
    authority,
    origin,
    secureOrigin,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    for (const one of [origin, secureOrigin]) {
      one.serve("/pool/a.deb?x=1", (_, response) => {
        response
          .writeHead(200, {
            ...FRESH,
            "Set-Cookie": "a=b",
            "Access-Control-Allow-Origin": "*",
            "Content-Length": 5,
            ETag: '"1"',
          })
          .end("bytes");
      });
      for (const cacheStatus of ["fwd=uri-miss", "hit"]) {
        const { status, head, body } = await ask(
          larder,
          `/${one.scheme}/${authorityOf(one)}/pool/a.deb?x=1`,
          "Cookie: c=d",
        );
        expect([status, body]).toEqual([200, "bytes"]);
        expect(head).toContain(cacheStatus);
        expect(head).toMatch(/^content-security-policy: sandbox\r$/im);
        expect(head).toMatch(/^x-content-type-options: nosniff\r$/im);
        expect(head).not.toMatch(/^(?:set-cookie|access-control-allow-origin):/im);
      }
      const requests = one.takeRequests();
      expect(requests).toHaveLength(1);
      expect(requests[0]?.headers).not.toHaveProperty("cookie");
    }
    const same = await ask(larder, `/http/${authorityOf(origin)}/pool/a.deb?x=1`, 'If-None-Match: "1"');
    expect(same.status).toBe(304);
    const part = await ask(larder, `/http/${authorityOf(origin)}/pool/a.deb?x=1`, "Range: bytes=1-2");
    expect([part.status, part.body]).toEqual([206, "yt"]);
  });

  test.for([
    ["a name that larder was not given", ["Host: rebound.example"], 421, "HOST_NOT_SERVED"],
    ["a page of another site", ["Sec-Fetch-Site: cross-site"], 403, "CROSS_SITE"],
    ["nobody: without a name", ["Host:"], 400, "BAD_REQUEST"],
  ] as const)("is not answered to %s", async ([, lines, status, code], { origin, startLarder }) => {
    const larder = await startLarder();
    const answer = await ask(larder, `/http/${authorityOf(origin)}/a`, ...lines);
    expect(answer.status).toBe(status);
    expect(answer.body).toContain(code);
    expect(origin.takeRequests()).toEqual([]);
  });

  test("is answered under a name that larder was given, and the rules for destinations hold", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder({
      settings: { serverNames: ["cache.example"], allowDestinations: ["127.0.0.1"] },
    });
    origin.serve("/a", (_, response) => void response.end("a"));
    const path = `/http/${authorityOf(origin)}/a`;
    expect((await ask(larder, path, "Host: cache.example:3142")).body).toBe("a");
    expect((await ask(larder, "/http/169.254.169.254/latest/")).body).toContain("DESTINATION_NOT_ALLOWED");
    expect((await ask(larder, "/http/name:word@localhost/")).body).toContain("USERINFO_IN_TARGET");
    expect((await ask(larder, `/http/127.0.0.1:${larder.port}/healthz`)).body).toContain("TARGET_IS_PROXY");
    const posted = await sendRaw(
      larder.port,
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    );
    expect(posted).toContain("METHOD_NOT_ALLOWED");
  });

  test("leads back here where its origin redirects", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const own = `http://127.0.0.1:${larder.port}`;
    const places: [string, string][] = [
      ["/elsewhere", `${own}/http/${authorityOf(origin)}/elsewhere`],
      ["beside", "beside"],
      ["https://files.example/a?b=c", `${own}/https/files.example/a?b=c`],
      ["//files.example/a", `${own}/http/files.example/a`],
    ];
    for (const [location, expected] of places) {
      origin.serve("/from", (_, response) => {
        response.writeHead(302, { Location: location, "Cache-Control": "no-store" }).end();
      });
      const { head } = await ask(larder, `/http/${authorityOf(origin)}/from`);
      expect(/^location: (.*)\r$/im.exec(head)?.[1]).toBe(expected);
    }
  });
});

describe("a page whose links lead away", () => {
  test("is rewritten for a mirror URL: a PEP 503 index, also one that is stored packed", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    const own = `http://127.0.0.1:${larder.port}`;
    const page = [
      '<!DOCTYPE html><a href="https://files.example/a-1.whl#sha256=00" data-requires-python=">=3.8">a-1.whl</a>',
      "<a class=x HREF='/packages/a-2.whl'>a-2.whl</a><a href=//cdn.example/a-3.whl>3</a>",
      '<a href="../../packages/a-4.whl">4</a> https://files.example/text',
    ].join("\n");
    origin.serve("/simple/a/", (request, response) => {
      const isPacked = request.headers["accept-encoding"] === "gzip";
      const fields = { ...FRESH, "Content-Type": "text/html; charset=utf-8", ETag: '"origin"', Vary: "Accept" };
      response.writeHead(200, { ...fields, ...(isPacked ? { "Content-Encoding": "gzip" } : {}) });
      response.end(isPacked ? gzipSync(page) : page);
    });
    const path = `/http/${authorityOf(origin)}/simple/a/`;
    const expected = [
      `<!DOCTYPE html><a href="${own}/https/files.example/a-1.whl#sha256=00" data-requires-python=">=3.8">a-1.whl</a>`,
      `<a class=x HREF="${own}/http/${authorityOf(origin)}/packages/a-2.whl">a-2.whl</a><a href="${own}/http/cdn.example/a-3.whl">3</a>`,
      '<a href="../../packages/a-4.whl">4</a> https://files.example/text',
    ].join("\n");
    const first = await ask(larder, path, "Accept-Encoding: gzip");
    expect(first.body).toBe(expected);
    expect(first.head).toMatch(new RegExp(`^content-length: ${Buffer.byteLength(expected)}\\r$`, "im"));
    const etag = /^etag: (.*)\r$/im.exec(first.head)?.[1] as string;
    expect(etag).toMatch(/^"mirror-/);
    expect((await ask(larder, path, `If-None-Match: ${etag}`)).status).toBe(304);
    expect((await ask(larder, path, 'If-None-Match: "origin"')).status).toBe(200);
    expect((await ask(larder, path, "Range: bytes=0-9")).status).toBe(200);
    expect(origin.takeRequests()).toHaveLength(1);

    // Through the proxy it is what its origin says, byte for byte.
    const proxied = await ask(
      larder,
      `${origin.url}/simple/a/`,
      `Host: ${authorityOf(origin)}`,
      "Accept-Encoding: gzip",
    );
    expect(proxied.head).toMatch(/^etag: "origin"\r$/im);
    expect(String(gunzipSync(Buffer.from(proxied.body, "latin1")))).toBe(page);
  });

  test("is rewritten whole when it is a long one that came from the store", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const linksTo = (base: string) =>
      Array.from({ length: 20_000 }, (_, n) => `<a href="${base}/a-${n}.whl#sha256=${n}">a-${n}.whl</a>`).join("\n");
    const page = linksTo("https://files.example");
    expect(page.length).toBeGreaterThan(1024 * 1024);
    origin.serve("/simple/long/", (_, response) => {
      response.writeHead(200, { ...FRESH, "Content-Type": "text/html" }).end(page);
    });
    const url = `${origin.url}/simple/long/`;
    expect((await ask(larder, url, `Host: ${authorityOf(origin)}`)).body).toBe(page);
    const { head, body } = await ask(larder, `/http/${authorityOf(origin)}/simple/long/`);
    expect(head).toMatch(/^cache-status: .*; hit/im);
    expect(body === linksTo(`http://127.0.0.1:${larder.port}/https/files.example`)).toBe(true);
  });

  test("is rewritten for a mirror URL: a PEP 691 index, a packument, a narinfo, lists of mirrors", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    const own = `http://127.0.0.1:${larder.port}`;
    const pages: readonly [path: string, type: string, page: string, expected: string][] = [
      [
        "/simple/b/",
        SIMPLE_JSON,
        '{"name":"b","files":[{"filename":"b-1.whl","url":"https://f.example/b-1.whl"},{"url":"../b-2.whl"}]}',
        `{"name":"b","files":[{"filename":"b-1.whl","url":"${own}/https/f.example/b-1.whl"},{"url":"../b-2.whl"}]}`,
      ],
      [
        "/@scope%2fname",
        "application/vnd.npm.install-v1+json",
        '{"versions":{"1.0.0":{"dist":{"tarball":"https:\\/\\/r.example\\/@s\\/n.tgz","shasum":"x"}},"__proto__":{}}}',
        `{"versions":{"1.0.0":{"dist":{"tarball":"${own}/https/r.example/@s/n.tgz","shasum":"x"}},"__proto__":{}}}`,
      ],
      [
        `/${"0".repeat(32)}.narinfo`,
        "text/x-nix-narinfo",
        "StorePath: /nix/store/x\nURL: https://nars.example/nar/x.nar.xz\nSig: k:s\n",
        `StorePath: /nix/store/x\nURL: ${own}/https/nars.example/nar/x.nar.xz\nSig: k:s\n`,
      ],
      [
        "/mirrorlist",
        "text/plain",
        "# two\nhttps://a.example/r/\nhttp://b.example/r/\n",
        `# two\n${own}/https/a.example/r/\n${own}/http/b.example/r/\n`,
      ],
      [
        "/metalink",
        "application/metalink+xml",
        '<metalink><url protocol="https">https://a.example/repomd.xml</url><url>rsync://b.example/x</url></metalink>',
        `<metalink><url protocol="https">${own}/https/a.example/repomd.xml</url><url>rsync://b.example/x</url></metalink>`,
      ],
    ];
    for (const [path, type, page, expected] of pages) {
      origin.serve(path, (_, response) => void response.writeHead(200, { ...FRESH, "Content-Type": type }).end(page));
      const { body, head } = await ask(larder, `/http/${authorityOf(origin)}${path}`);
      expect(body, head).toBe(expected);
    }
  });

  test("is made once of what is stored: for HEAD and for other clients it is there, and for another host it is another", async ({
    folder,
    origin,
    startLarder,
  }) => {
    const rootDir = join(folder, "store");
    const larder = await startLarder({ rootDir });
    const files = Array.from({ length: 2000 }, (_, i) => `<a href="/packages/a-${i}.whl">${i}</a>`);
    const page = `<!DOCTYPE html>${files.join("\n")}`;
    origin.serve("/simple/a/", (_, response) => {
      response.writeHead(200, { ...FRESH, "Content-Type": "text/html", ETag: '"origin"' }).end(page);
    });
    const path = `/http/${authorityOf(origin)}/simple/a/`;
    const [first, second] = [await ask(larder, path), await ask(larder, path)];
    expect(second.body).toBe(first.body);
    const field = ({ head }: { readonly head: string }, name: string) =>
      new RegExp(`^${name}: (.*)\\r$`, "im").exec(head)?.[1];
    // Nothing reads the stored page again.
    for (const file of await findFiles(join(rootDir, "blobs"), /^[0-9a-f]{64}$/)) await rm(file);
    const third = await ask(larder, path);
    expect([third.status, third.body === first.body, field(third, "etag")]).toEqual([200, true, field(first, "etag")]);
    const known = await ask(larder, path, `If-None-Match: ${field(first, "etag")}`);
    expect([known.status, known.body]).toEqual([304, ""]);
    const asked = await sendRaw(
      larder.port,
      `HEAD ${path} HTTP/1.1\r\nHost: 127.0.0.1:${larder.port}\r\nConnection: close\r\n\r\n`,
    );
    expect(field({ head: asked }, "etag")).toBe(field(first, "etag"));
    expect(field({ head: asked }, "content-length")).toBe(String(first.body.length));
    const elsewhere = await ask(larder, path, `Host: localhost:${larder.port}`);
    expect(elsewhere.body).toContain(`"http://localhost:${larder.port}/http/`);
    expect(field(elsewhere, "etag")).not.toBe(field(first, "etag"));
  });

  test("still declares what it declared: a file that is not what the original says completes at nobody", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    const right = noise("right", 1000);
    const list = `Package: a\nVersion: 1\nArchitecture: all\nFilename: pool/a.deb\nSize: ${right.length}\nSHA256: ${sha256(right)}\n\n`;
    const release = `Suite: s\nSHA256:\n ${sha256(Buffer.from(list))} ${list.length} main/binary-all/Packages\n`;
    origin.serve("/dists/s/Release", (_, response) => void response.end(release));
    origin.serve("/dists/s/main/binary-all/Packages", (_, response) => void response.end(list));
    origin.serve("/pool/a.deb", (_, response) => void response.end(noise("wrong", 1000)));
    const base = `/http/${authorityOf(origin)}`;
    expect((await ask(larder, `${base}/dists/s/Release`)).body).toBe(release);
    expect((await ask(larder, `${base}/dists/s/main/binary-all/Packages`)).body).toBe(list);
    expect((await ask(larder, `${base}/pool/a.deb`)).body).toContain("DIGEST_MISMATCH");
  });
});

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
