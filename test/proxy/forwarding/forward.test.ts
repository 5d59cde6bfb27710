import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import net from "node:net";
import { buffer } from "node:stream/consumers";
import { describe, expect } from "vitest";
import { get, sendRaw } from "../../support/client.ts";
import { listenOnLoopback } from "../../support/listen.ts";
import { noise } from "../../support/noise.ts";
import { send } from "../sending.ts";
import { test } from "../workbench.ts";

describe("a request of another method than GET and HEAD", () => {
  test.for(["POST", "PUT", "PATCH", "DELETE"])(
    "%s carries its content there and the answer back",
    async (method, { origin, startLarder }) => {
      const larder = await startLarder();
      origin.serve("/upload", async (request, response) => {
        const received = await buffer(request);
        response.writeHead(201, { "Content-Type": "text/plain" });
        response.end(`${request.method} ${received.length}`);
      });
      const body = noise("content", 300_000);
      const counted = await send(larder.port, method, `${origin.url}/upload`, {
        body,
        headers: { "Content-Length": body.length },
      });
      const chunked = await send(larder.port, method, `${origin.url}/upload`, {
        body,
        headers: { "Transfer-Encoding": "chunked" },
      });
      expect([counted.status, String(counted.body)]).toEqual([201, `${method} 300000`]);
      expect([chunked.status, String(chunked.body)]).toEqual([201, `${method} 300000`]);
      expect(origin.takeRequests().map(({ headers }) => headers["content-length"])).toEqual(["300000", undefined]);
    },
  );

  test("without content announces none", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/thing", (_, response) => void response.writeHead(204).end());
    expect(await send(larder.port, "DELETE", `${origin.url}/thing`)).toMatchObject({ status: 204 });
    const [request] = origin.takeRequests();
    expect(request?.headers).not.toHaveProperty("transfer-encoding");
    expect(request?.headers).not.toHaveProperty("content-length");
  });

  test("is answered when it expects 100-continue (RFC 9110 §10.1.1)", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/upload", async (request, response) => void response.end(await buffer(request)));
    const { host } = new URL(origin.url);
    const request = http.request({
      port: larder.port,
      method: "POST",
      path: `${origin.url}/upload`,
      headers: { Host: host, Expect: "100-continue", "Content-Length": 5 },
      agent: false,
    });
    request.flushHeaders();
    await once(request, "continue");
    request.end("hello");
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    expect(String(await buffer(answer))).toBe("hello");
  });

  test("keeps its path byte for byte and every field line, and loses what is for one connection only", async ({
    startLarder,
  }) => {
    const larder = await startLarder();
    const server = net.createServer();
    const port = await listenOnLoopback(server);
    const received = new Promise<string>((resolve) => {
      server.once("connection", (socket) => {
        let text = "";
        socket.on("error", () => undefined);
        socket.on("data", (chunk: Buffer) => {
          text += chunk.toString("latin1");
          if (!text.includes("\r\n\r\nab")) return;
          resolve(text);
          socket.end(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Bytes: \xe9\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\nok",
            "latin1",
          );
        });
      });
    });
    const path = "//a/../b/%2f{x}^'|?q=[1]";
    const answer = await sendRaw(
      larder.port,
      `POST http://127.0.0.1:${port}${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Two: 1\r\nx-two: 2\r\nX-Bytes: \xe9\xff\r\n` +
        "Connection: close, X-Gone\r\nX-Gone: 1\r\nProxy-Authorization: Basic c2VjcmV0\r\nTE: trailers\r\nContent-Length: 2\r\n\r\nab",
    );
    server.close();
    const head = await received;
    expect(head.split("\r\n")[0]).toBe(`POST ${path} HTTP/1.1`);
    expect(head).toContain("X-Two: 1\r\n");
    expect(head).toContain("X-Two: 2\r\n");
    expect(head).toContain("X-Bytes: \xe9\xff\r\n");
    expect(head).not.toMatch(/^(x-gone|proxy-authorization|te):/im);
    expect(answer).toContain("X-Bytes: \xe9\r\n");
    expect(answer).not.toContain("X-Hop");
  });

  test("is cut where its answer was cut, and the log says by whom", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/cut", (_, response) => {
      response.writeHead(200, { "Content-Length": 1_000_000 });
      response.write(noise("cut", 500_000), () => response.destroy());
    });
    const { body } = await send(larder.port, "POST", `${origin.url}/cut`, { body: "x" });
    expect(String(body)).toBe("cut");
    expect((await larder.logged("exchange")).facts).toMatchObject({ code: "ORIGIN_CUT", whole: false });
  });

  test("makes what is stored of its target invalid, and what it names beside it (RFC 9111 §4.4)", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    let version = 1;
    const answerGet = (response: http.ServerResponse) =>
      response.writeHead(200, { "Cache-Control": "max-age=3600" }).end(`version ${version}`);
    origin.serve("/page", (request, response) => {
      if (request.method === "GET") return void answerGet(response);
      version = 2;
      response.writeHead(200, { Location: "http://name:secret@elsewhere.test/", "Content-Location": "/other" }).end();
    });
    origin.serve("/other", (_, response) => void answerGet(response));
    for (const path of ["/page", "/other"]) {
      expect(String((await get(larder, origin.url + path)).body)).toBe("version 1");
      expect(String((await get(larder, origin.url + path)).headers["cache-status"])).toContain("hit");
    }
    expect(await send(larder.port, "POST", `${origin.url}/page`, { body: "change" })).toMatchObject({ status: 200 });
    for (const path of ["/page", "/other"])
      expect(String((await get(larder, origin.url + path)).body)).toBe("version 2");
  });

  test("keeps what is stored when the origin refused it", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/page", (request, response) => {
      if (request.method === "GET") response.writeHead(200, { "Cache-Control": "max-age=3600" }).end("as it was");
      else response.writeHead(403).end();
    });
    await get(larder, `${origin.url}/page`);
    await send(larder.port, "DELETE", `${origin.url}/page`);
    expect(String((await get(larder, `${origin.url}/page`)).headers["cache-status"])).toContain("hit");
  });
});

describe("a GET with content", () => {
  test("goes to the origin with it, and its answer is not stored", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/search", async (request, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=3600" }).end(await buffer(request));
    });
    for (const body of ["one", "another"])
      expect(
        String(
          (await send(larder.port, "GET", `${origin.url}/search`, { body, headers: { "Content-Length": body.length } }))
            .body,
        ),
      ).toBe(body);
  });
});

describe("a parent proxy that speaks TLS", () => {
  test("takes other methods too, with its credentials", async ({ authority, startLarder }) => {
    const seen: string[] = [];
    const parent = https.createServer(authority.certificate("good"), (request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"]}`);
      request.pipe(response);
    });
    const port = await listenOnLoopback(parent);
    const url = `https://me:secret@localhost:${port}`;
    const larder = await startLarder({
      settings: {
        originRoots: authority.caPem,
        parentProxies: { http: url, https: undefined, noProxy: "", rules: [] },
      },
    });
    const answer = await send(larder.port, "POST", "http://far.larder.test/x", { body: "hello" });
    expect(String(answer.body)).toBe("hello");
    expect(seen).toEqual([`POST http://far.larder.test/x Basic ${Buffer.from("me:secret").toString("base64")}`]);
    parent.close();
    parent.closeAllConnections();
  });
});
