import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { describe, expect } from "vitest";
import { listenOnLoopback } from "../../support/listen.ts";
import { noise } from "../../support/noise.ts";
import { send } from "../sending.ts";
import { test } from "../workbench.ts";

describe("an upload", () => {
  test("is streamed, however large, and never held in memory", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const MIB = 1024 * 1024;
    let received = 0;
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    origin.serve("/upload", async (request, response) => {
      await opened;
      for await (const chunk of request) received += (chunk as Buffer).length;
      response.end("done");
    });
    const { host } = new URL(origin.url);
    const request = http.request({
      port: larder.port,
      method: "PUT",
      path: `${origin.url}/upload`,
      headers: { Host: host, "Content-Length": 100 * MIB },
      agent: false,
    });
    const arrived = origin.arrival("/upload");
    const piece = Buffer.alloc(MIB);
    let sent = 0;
    // The origin reads nothing: what the proxy takes is what it and the sockets hold.
    while (sent < 100 && request.write(piece) !== undefined) {
      sent += 1;
      if (request.writableNeedDrain && (await stalls(request))) break;
    }
    await arrived;
    expect(sent).toBeLessThan(64);
    open();
    for (; sent < 100; sent++) if (!request.write(piece)) await once(request, "drain");
    request.end();
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    expect(String(await buffer(answer))).toBe("done");
    expect(received).toBe(100 * MIB);
  });

  test("gets an answer that comes before its content was read, and the connection goes on", async ({ startLarder }) => {
    const larder = await startLarder();
    const server = http.createServer((request, response) => {
      response.writeHead(413, { Connection: "close", "Content-Length": 9 }).end("too large", () => {
        request.socket.destroySoon();
      });
    });
    const port = await listenOnLoopback(server);
    const url = `http://127.0.0.1:${port}/upload`;
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const body = noise("upload", 8 * 1024 * 1024);
    for (let i = 0; i < 2; i++) {
      const request = http.request({
        port: larder.port,
        method: "PUT",
        path: url,
        headers: { Host: new URL(url).host },
        agent,
      });
      const sent = once(request, "finish");
      request.end(body);
      const [answer] = (await once(request, "response")) as [IncomingMessage];
      // The origin's connection may be reset before its answer is read; a proxy can then only say so.
      expect([413, 502]).toContain(answer.statusCode);
      await buffer(answer);
      await sent;
    }
    agent.destroy();
    server.close();
  });

  test("ends at the origin when its client leaves in mid-upload", async ({ origin, startLarder }) => {
    const larder = await startLarder();
    const ended = new Promise<boolean>((resolve) => {
      origin.serve("/upload", (request) => {
        request.resume();
        request.once("close", () => resolve(request.complete));
      });
    });
    const { host } = new URL(origin.url);
    const headers = { Host: host, "Content-Length": 1_000_000 };
    const request = http.request({
      port: larder.port,
      method: "PUT",
      path: `${origin.url}/upload`,
      headers,
      agent: false,
    });
    request.on("error", () => undefined);
    const arrived = origin.arrival("/upload");
    request.write("the beginning");
    await arrived;
    request.destroy();
    expect(await ended).toBe(false);
  });

  test("names what is wrong when the origin refuses, and reads the rest of the content away", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder();
    await origin.stop();
    const body = noise("upload", 8 * 1024 * 1024);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 2; i++) {
      const answer = await send(larder.port, "PUT", `${origin.url}/upload`, { body, agent });
      expect(answer).toMatchObject({ status: 502 });
      expect(String(answer.body)).toContain("ORIGIN_REFUSED");
    }
    agent.destroy();
  });
});

/** Whether a request that waits for its drain goes on waiting while everything else in this process has come to rest. */
async function stalls(request: http.ClientRequest): Promise<boolean> {
  for (let turns = 0; turns < 2_000; turns++) {
    if (!request.writableNeedDrain) return false;
    await new Promise(setImmediate);
  }
  return true;
}
