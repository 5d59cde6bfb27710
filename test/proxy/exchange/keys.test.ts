import { once } from "node:events";
import tls from "node:tls";
import { describe, expect } from "vitest";
import { openTunnel, readToEnd, sendRaw } from "../../support/client.ts";
import { type Bench, test } from "../workbench.ts";

const lines = (...all: string[]) => `${all.join("\r\n")}\r\n\r\n`;

async function sendInTls({ port, ca }: Bench, to: string, bytes: string): Promise<string> {
  const secure = tls.connect({ socket: await openTunnel(port, to), servername: "localhost", ca });
  await once(secure, "secureConnect");
  secure.write(bytes, "latin1");
  return await readToEnd(secure);
}

describe("what an answer is kept under", () => {
  test("is the path byte for byte: what looks alike has a key of its own, in plain and inside TLS", async ({
    authority,
    origin,
    secureOrigin,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    const forms = [
      "/a/b",
      "/a//b",
      "//a/b",
      "/a/./b",
      "/a/x/../b",
      "/a/%62",
      "/a%2fb",
      "/a%2Fb",
      "/A/b",
      "/a/b/",
      "/a/b?",
    ].concat(["/a/b?x=1", "/a/b?x=%31", "/a/%2e%2e/b", "/a;p/b", "/a/{b}^'|\"", "/a\\b", "/a/b#?y"]);
    for (const from of [origin, secureOrigin]) {
      from.serve("/", (request, response) => {
        response.writeHead(200, { "Cache-Control": "max-age=600" }).end(`<${request.url}>`);
      });
      const { host } = new URL(from.url);
      for (const path of forms) {
        const target = from === origin ? from.url + path : path;
        const ask = lines(`GET ${target} HTTP/1.1`, `Host: ${host}`, "Connection: close");
        for (const _ of [1, 2]) {
          const answer = from === origin ? await sendRaw(larder.port, ask) : await sendInTls(larder, host, ask);
          expect(answer).toContain(`<${path.replace(/#.*/, "")}>`);
        }
      }
      const asked = from.takeRequests().map(({ path }) => path);
      // The fragment is not part of the target (RFC 9110 §7.1): that one was a hit both times.
      expect(asked).toEqual(forms.filter((path) => !path.includes("#")));
    }
  });

  test("is never the tunnel's for another host: neither Host nor target names one inside it, and nothing follows", async ({
    authority,
    secureOrigin,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    secureOrigin.serve("/", (_, response) => void response.end("evil"));
    const { host } = new URL(secureOrigin.url);
    const behind = lines("GET /behind HTTP/1.1", `Host: ${host}`);
    for (const first of [
      lines("GET /a HTTP/1.1", "Host: victim.example"),
      lines("GET /a HTTP/1.1", `Host: ${host.replace(/\d+$/, "1")}`),
      lines(`GET https://victim.example/a HTTP/1.1`, `Host: ${host}`),
      lines(`GET http://${host}/a HTTP/1.1`, `Host: ${host}`),
      lines(`GET https://${host}/a HTTP/1.1`, "Host: victim.example"),
    ]) {
      const answer = await sendInTls(larder, host, first + behind);
      expect(answer).toMatch(/^HTTP\/1\.1 421 .*connection: close\r\n.*NAME_MISMATCH/is);
      expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
    }
    expect(secureOrigin.takeRequests()).toEqual([]);
    const same = lines(`GET https://${host}/a HTTP/1.1`, `Host: ${host.toUpperCase()}`, "Connection: close");
    expect(await sendInTls(larder, host, same)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("is never a path with raw octets above ASCII: those are to be percent-encoded (RFC 3986 §2.1)", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    const answer = await sendRaw(
      larder.port,
      lines(`GET ${origin.url}/\u00fc HTTP/1.1`, `Host: 127.0.0.1:${origin.port}`),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*BAD_REQUEST/s);
    expect(origin.takeRequests()).toEqual([]);
  });

  test("is one for the forms of a host that mean the same: capitals, a final dot", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/one", (_, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=600" }).end("one");
    });
    for (const host of ["localhost", "LOCALHOST", "localhost.", "LocalHost."]) {
      const authority = `${host}:${origin.port}`;
      await sendRaw(
        larder.port,
        lines(`GET HTTP://${authority}/one HTTP/1.1`, `Host: ${authority}`, "Connection: close"),
      );
    }
    expect(origin.takeRequests()).toHaveLength(1);
  });

  test("is not what the answer was made by: fields that no key holds are not sent on", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    const poison = [
      "X-Forwarded-Host",
      "X-Forwarded-Scheme",
      "X-Forwarded-For",
      "X-Forwarded-Prefix",
      "X-Host",
      "X-Real-IP",
    ]
      .concat([
        "Forwarded",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-Host",
        "X-HTTP-Method-Override",
        "True-Client-IP",
      ])
      .map((name) => `${name}: evil.example`);
    origin.serve("/page", (request, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=600" }).end(JSON.stringify(request.headers));
    });
    const ask = (method: string, ...more: string[]) =>
      sendRaw(
        larder.port,
        lines(`${method} ${origin.url}/page HTTP/1.1`, `Host: 127.0.0.1:${origin.port}`, "Connection: close", ...more),
      );
    expect(await ask("GET", ...poison)).not.toContain("evil");
    expect(await ask("GET")).not.toContain("evil");
    expect(origin.takeRequests()).toHaveLength(1);
    expect(await ask("DELETE", ...poison)).toContain('"x-forwarded-host":"evil.example"');
  });
});
