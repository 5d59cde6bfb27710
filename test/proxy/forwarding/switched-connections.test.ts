import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import net, { type Socket } from "node:net";
import tls from "node:tls";
import { describe, expect } from "vitest";
import { openTunnel, readUntil } from "../../support/client.ts";
import { listenOnLoopback } from "../../support/listen.ts";
import { noise } from "../../support/noise.ts";
import { type Bench, test as base } from "../workbench.ts";

const head = (...lines: string[]) => `${lines.join("\r\n")}\r\n\r\n`;

const test = base.extend("startServer", async ({ task: _ }, { onCleanup }) => {
  const servers: http.Server[] = [];
  onCleanup(() => {
    for (const server of servers) server.close().closeAllConnections();
  });
  return async (server: http.Server, onUpgrade: (request: IncomingMessage, socket: Socket) => void) => {
    servers.push(server);
    server.on("upgrade", onUpgrade);
    return await listenOnLoopback(server);
  };
});

describe("connections switched to a protocol of their own", () => {
  const CONTENT = noise("spoken", 256 * 1024);
  /** Sends back whatever comes, however slowly it is taken. */
  const echo = (_: IncomingMessage, socket: Socket): void => {
    socket.on("error", () => undefined);
    socket.write(head("HTTP/1.1 101 Switching Protocols", "Upgrade: echo", "Connection: Upgrade"));
    socket.pipe(socket);
  };

  async function enter(larder: Bench, url: URL): Promise<Socket> {
    const plain = url.protocol === "http:";
    const socket = plain
      ? net.connect({ port: larder.port, host: "127.0.0.1", allowHalfOpen: true })
      : tls.connect({ socket: await openTunnel(larder.port, url.host), servername: "localhost", ca: larder.ca });
    socket.on("error", () => undefined);
    await once(socket, plain ? "connect" : "secureConnect");
    const target = plain ? url.href : "/";
    socket.write(head(`GET ${target} HTTP/1.1`, `Host: ${url.host}`, "Connection: Upgrade", "Upgrade: echo"));
    expect(String(await readUntil(socket, "\r\n\r\n"))).toMatch(/^HTTP\/1\.1 101 /);
    return socket;
  }

  test.for(["http", "https"])(
    "carry what is spoken both ways, a hundred at once, at each client's speed, and leave nothing behind: %s",
    async (scheme, { authority, startLarder, startServer }) => {
      const larder = await startLarder({ settings: { originRoots: authority.caPem } });
      const server = scheme === "http" ? http.createServer() : https.createServer(authority.certificate("good"));
      const atOrigin = new Set<Socket>();
      server.on("connection", (socket: Socket) => {
        atOrigin.add(socket);
        socket.once("close", () => atOrigin.delete(socket));
      });
      const url = new URL(`${scheme}://localhost:${await startServer(server, echo)}/`);
      const sockets = await Promise.all(Array.from({ length: 100 }, () => enter(larder, url)));
      const speak = async (socket: Socket, index: number): Promise<void> => {
        socket.pause();
        socket.write(CONTENT);
        let read = 0;
        while (read < CONTENT.length) {
          const chunk = (socket.read() as Buffer | null) ?? undefined;
          if (chunk === undefined) await once(socket, "readable");
          else {
            expect(chunk.equals(CONTENT.subarray(read, read + chunk.length))).toBe(true);
            read += chunk.length;
            if (index % 10 === 0) await new Promise(setImmediate);
          }
        }
      };
      await Promise.all(sockets.map(speak));
      for (const [index, socket] of sockets.entries()) {
        if (index % 2 === 0) socket.destroy();
        else socket.resume().end();
      }
      await expect.poll(() => [larder.proxy.counters().openConnections, atOrigin.size]).toEqual([0, 0]);
    },
  );

  test("end with an origin that dies", async ({ startLarder, startServer }) => {
    const larder = await startLarder();
    const server = http.createServer();
    const atOrigin: Socket[] = [];
    server.on("connection", (socket: Socket) => atOrigin.push(socket));
    const url = new URL(`http://127.0.0.1:${await startServer(server, echo)}/`);
    const sockets = await Promise.all(Array.from({ length: 100 }, () => enter(larder, url)));
    const closed = sockets.map((socket) =>
      once(
        socket.resume().once("end", () => socket.end()),
        "close",
      ),
    );
    for (const [index, socket] of atOrigin.entries()) index % 2 === 0 ? socket.resetAndDestroy() : socket.destroy();
    await Promise.all(closed);
    await expect.poll(() => larder.proxy.counters().openConnections).toBe(0);
  });

  test("may end by halves: what the origin says after its client's end arrives", async ({
    startLarder,
    startServer,
  }) => {
    const larder = await startLarder();
    const port = await startServer(http.createServer(), (_, socket) => {
      socket.write(head("HTTP/1.1 101 Switching Protocols", "Upgrade: echo", "Connection: Upgrade"));
      let heard = 0;
      socket.on("data", (chunk: Buffer) => {
        heard += chunk.length;
      });
      socket.once("end", () => socket.end(`heard ${heard}`));
    });
    const socket = await enter(larder, new URL(`http://127.0.0.1:${port}/`));
    socket.end(CONTENT);
    expect(String(await readUntil(socket, `heard ${CONTENT.length}`))).toContain("heard");
    await once(socket, "close");
  });
});
