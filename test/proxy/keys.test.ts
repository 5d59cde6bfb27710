import { describe, expect } from "vitest";
import { sendRaw } from "../support/client.ts";
import { test } from "./workbench.ts";

const lines = (...all: string[]) => `${all.join("\r\n")}\r\n\r\n`;

describe("what an answer is kept under", () => {
  test("is the path byte for byte: what looks alike has a key of its own", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/", (request, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=600" }).end(`<${request.url}>`);
    });
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
    for (const path of forms) {
      for (const _ of [1, 2]) {
        const answer = await sendRaw(
          larder.port,
          lines(`GET ${origin.url}${path} HTTP/1.1`, `Host: 127.0.0.1:${origin.port}`, "Connection: close"),
        );
        const sentOn = path.replace(/#.*/, "");
        expect(answer).toContain(`<${sentOn}>`);
      }
    }
    const asked = origin.takeRequests().map(({ path }) => path);
    // The fragment is not part of the target (RFC 9110 §7.1): that one was a hit both times.
    expect(asked).toEqual(forms.filter((path) => !path.includes("#")));
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
