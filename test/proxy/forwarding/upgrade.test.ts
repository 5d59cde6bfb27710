import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import net, { type Socket } from "node:net";
import tls from "node:tls";
import { describe, expect } from "vitest";
import { openTunnel, readUntil, sendRaw } from "../../support/client.ts";
import { listenOnLoopback } from "../../support/listen.ts";
import { echoWebSocket } from "../../support/web-socket.ts";
import { test as base } from "../workbench.ts";

const head = (...lines: string[]) => `${lines.join("\r\n")}\r\n\r\n`;
const WEB_SOCKET = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
/** `hello`, masked with zeros, and what comes back. */
const FRAME = Buffer.from([0x81, 0x85, 0, 0, 0, 0, ...Buffer.from("hello")]);
const ECHO = Buffer.from([0x81, 5, ...Buffer.from("hello")]);

const test = base.extend("startServer", async ({ task: _ }, { onCleanup }) => {
  const servers: http.Server[] = [];
  onCleanup(() => {
    for (const server of servers) server.close().closeAllConnections();
  });
  /** A server that switches to WebSocket, or does what the test says. */
  return async (
    server: http.Server,
    onUpgrade = echoWebSocket as (request: IncomingMessage, socket: Socket) => void,
  ) => {
    servers.push(server);
    server.on("upgrade", onUpgrade);
    return await listenOnLoopback(server);
  };
});

describe("a request to switch to WebSocket", () => {
  test("is handed on, in plain, and what is spoken then passes both ways", async ({ startLarder, startServer }) => {
    const larder = await startLarder();
    const seen: IncomingMessage[] = [];
    const port = await startServer(http.createServer(), (request, socket) => {
      seen.push(request);
      echoWebSocket(request, socket);
    });
    const socket = net.connect(larder.port, "127.0.0.1");
    socket.write(
      head(
        `GET http://127.0.0.1:${port}//chat^?a HTTP/1.1`,
        `Host: 127.0.0.1:${port}`,
        "Proxy-Authorization: Basic eA==",
        ...WEB_SOCKET,
      ),
    );
    const answer = String(await readUntil(socket, "\r\n\r\n"));
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer).toMatch(/^sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r$/im);
    socket.write(FRAME);
    expect(await readUntil(socket, "hello")).toEqual(ECHO);
    socket.end();
    const line = await larder.logged("exchange");
    expect(line.facts).toMatchObject({ status: 101, detail: "upgrade", outcome: "fwd=bypass" });
    expect(seen[0]?.url).toBe("//chat^?a");
    expect(seen[0]?.headers).toMatchObject({ upgrade: "websocket", host: `127.0.0.1:${port}` });
    expect(seen[0]?.headers).not.toHaveProperty("proxy-authorization");
  });

  test("is handed on inside TLS, with what was sent right behind it", async ({
    authority,
    startLarder,
    startServer,
  }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    const host = `localhost:${await startServer(https.createServer(authority.certificate("good")))}`;
    const secure = tls.connect({ socket: await openTunnel(larder.port, host), servername: "localhost", ca: larder.ca });
    await once(secure, "secureConnect");
    secure.write(Buffer.concat([Buffer.from(head("GET /chat HTTP/1.1", `Host: ${host}`, ...WEB_SOCKET)), FRAME]));
    const answer = await readUntil(secure, "hello");
    expect(answer.subarray(-ECHO.length)).toEqual(ECHO);
    secure.destroy();
    await larder.logged("exchange");
  });

  test("gets whatever else its origin answers, whole, and the connection ends", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/chat", (_, response) => {
      response.writeHead(401, { "Set-Cookie": ["a=1", "b=2"] }).write("not ");
      response.end("you");
    });
    const host = `127.0.0.1:${origin.port}`;
    const answer = await sendRaw(larder.port, head(`GET http://${host}/chat HTTP/1.1`, `Host: ${host}`, ...WEB_SOCKET));
    expect(answer).toMatch(/^HTTP\/1\.1 401 .*set-cookie: a=1\r\nset-cookie: b=2\r\n/is);
    expect(answer.replace(/^.*?\r\n\r\n/s, "").replace(/[0-9a-f]+\r\n|\r\n/g, "")).toBe("not you");
  });

  test("is answered when its origin cannot be reached, or is not allowed", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const host = `127.0.0.1:${origin.port}`;
    await origin.stop();
    const ask = (target: string, field = host) =>
      sendRaw(larder.port, head(`GET ${target} HTTP/1.1`, `Host: ${field}`, ...WEB_SOCKET));
    expect(await ask(`http://${host}/chat`)).toMatch(/^HTTP\/1\.1 502 .*ORIGIN_REFUSED/s);
    expect(await ask("http://169.254.169.254/chat")).toMatch(/^HTTP\/1\.1 403 .*DESTINATION_NOT_ALLOWED/s);
    expect(await ask("http://127.0.0.1:5432/chat")).toMatch(/^HTTP\/1\.1 403 .*PORT_NOT_ALLOWED/s);
    expect(await ask("/healthz", `127.0.0.1:${larder.port}`)).toMatch(/^HTTP\/1\.1 404 .*NOT_FOUND/s);
    expect(await ask(`http://${host}/chat`, `${host}\r\nHost: evil.example`)).toMatch(/^HTTP\/1\.1 400 .*BAD_REQUEST/s);
  });

  test("whose client resets while its origin answers something else ends nothing but itself", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    const host = `127.0.0.1:${origin.port}`;
    for (let i = 0; i < 20; i++) {
      const arrived = origin.arrival("/chat");
      const socket = net.connect(larder.port, "127.0.0.1");
      origin.serve("/chat", (_, response) => {
        socket.resetAndDestroy();
        response.writeHead(403).end("x".repeat(100_000));
      });
      socket.write(head(`GET http://${host}/chat HTTP/1.1`, `Host: ${host}`, ...WEB_SOCKET));
      await arrived;
      await larder.logged("exchange", i + 1);
    }
    origin.serve("/", (_, response) => void response.end("alive"));
    expect(
      await sendRaw(larder.port, head(`GET http://${host}/ HTTP/1.1`, `Host: ${host}`, "Connection: close")),
    ).toContain("alive");
  });

  test("ends at the client when its origin resets, and at the origin when its client does", async ({
    startLarder,
    startServer,
  }) => {
    const larder = await startLarder();
    const upstream: Socket[] = [];
    const port = await startServer(http.createServer(), (request, socket) => {
      upstream.push(socket);
      echoWebSocket(request, socket);
    });
    const begin = async () => {
      const socket = net.connect(larder.port, "127.0.0.1").on("error", () => undefined);
      socket.write(head(`GET http://127.0.0.1:${port}/ HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...WEB_SOCKET));
      await readUntil(socket, "\r\n\r\n");
      return socket;
    };
    const first = await begin();
    upstream[0]?.resetAndDestroy();
    await once(first, "close");
    const second = await begin();
    const ended = once(upstream[1] as Socket, "close");
    second.resetAndDestroy();
    await ended;
    await larder.logged("exchange", 2);
  });

  test("behind other requests is not answered: their answers would be mixed into it", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    origin.serve("/slow", () => undefined);
    const host = `127.0.0.1:${origin.port}`;
    const slow = head(`GET http://${host}/slow HTTP/1.1`, `Host: ${host}`);
    expect(
      await sendRaw(larder.port, slow + head(`GET http://${host}/chat HTTP/1.1`, `Host: ${host}`, ...WEB_SOCKET)),
    ).toBe("");
  });
});

describe("a wish to switch that is not granted", () => {
  test.for([
    [
      "h2c, as curl offers it",
      "GET",
      ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"],
    ],
    ["a choice of protocols", "GET", ["Connection: upgrade", "Upgrade: websocket, other"]],
    ["one beside content", "POST", ["Connection: upgrade", "Upgrade: websocket", "Content-Length: 3"]],
  ] as const)("%s, is an ordinary request, and so is the next", async ([, method, lines], { origin, startLarder }) => {
    const larder = await startLarder();
    origin.serve("/", (request, response) => {
      request.resume();
      response.writeHead(200, { "Cache-Control": "no-store" }).end(`<${request.method} ${request.url}>`);
    });
    const host = `127.0.0.1:${origin.port}`;
    const first =
      head(`${method} http://${host}/first HTTP/1.1`, `Host: ${host}`, ...lines) + (method === "POST" ? "abc" : "");
    const second = head(`GET http://${host}/second HTTP/1.1`, `Host: ${host}`, "Connection: close");
    const answer = await sendRaw(larder.port, first + second);
    expect(answer.match(/<[^>]*>/g)).toEqual([`<${method} /first>`, "<GET /second>"]);
    expect(origin.takeRequests()[0]?.headers).not.toHaveProperty("upgrade");
  });
});
