import { once } from "node:events";
import net from "node:net";
import fc from "fast-check";
import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { type Bench, test } from "./workbench.ts";

/** Pieces that requests are made of, right and wrong; between them, any bytes. */
const PIECES = [
  "GET ",
  "POST ",
  "HEAD ",
  "CONNECT ",
  "OPTIONS ",
  "PRI * ",
  "http://ORIGIN/a",
  "http://ORIGIN/b?c",
  "/a",
  "/https/ORIGIN/a",
  "/http/ORIGIN/simple/",
  "ORIGIN",
  "*",
  " HTTP/1.1\r\n",
  " HTTP/1.0\r\n",
  " HTTP/2.0\r\n",
  "Host: ORIGIN\r\n",
  "Host: \r\n",
  "Content-Length: 3\r\n",
  "Content-Length: -1\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Connection: close\r\n",
  "Connection: Upgrade, host\r\nUpgrade: websocket\r\n",
  "Upgrade: h2c\r\n",
  "Expect: 100-continue\r\n",
  "Range: bytes=0-0,2-\r\n",
  "If-None-Match: *\r\n",
  "Authorization: Basic eDp5\r\n",
  "X: y\r\n",
  " folded\r\n",
  "\r\n",
  "\n",
  "\r",
  "\0",
  "abc",
  "3\r\nabc\r\n",
  "0\r\n\r\n",
  "ffffffffffffffff\r\n",
  "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
  "\x16\x03\x01",
];

const bytes = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...PIECES).map((piece) => Buffer.from(piece, "latin1")) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((any) => Buffer.from(any)) },
  ),
  { minLength: 1, maxLength: 24 },
);
/** How a client leaves when it has said all. */
const leaving = fc.constantFrom("end", "reset", "destroy");

async function play(larder: Bench, said: readonly Buffer[], how: string, origin: string): Promise<void> {
  const socket = net.connect(larder.port, "127.0.0.1").on("error", () => undefined);
  const closed = once(socket, "close").catch(() => undefined);
  socket.resume();
  await once(socket, "connect");
  for (const piece of said) {
    socket.write(Buffer.from(piece.toString("latin1").replaceAll("ORIGIN", origin), "latin1"));
    await new Promise(setImmediate);
  }
  if (how === "reset") socket.resetAndDestroy();
  else if (how === "destroy") socket.destroy();
  else socket.end();
  // One that was only ended may be answered for as long as larder likes; nobody waits for it here.
  setImmediate(() => socket.destroy());
  await closed;
}

describe("a connection on which anything is said", () => {
  test("ends, and leaves nothing behind: no crash, no hang, no leak", async ({ origin, startLarder }) => {
    const larder = await startLarder({ settings: { tunnelIdleMs: 200 } });
    origin.serve("/", (request, response) => {
      request.resume();
      response.writeHead(200, { "Cache-Control": "max-age=60" }).end("answer");
    });
    const authority = new URL(origin.url).host;
    await fc.assert(
      fc.asyncProperty(bytes, leaving, (said, how) => play(larder, said, how, authority)),
      { numRuns: 600 },
    );
    expect(String((await get(larder, `${origin.url}/after`)).body)).toBe("answer");
    while (larder.proxy.counters().openConnections > 0) await new Promise(setImmediate);
    // What tears the bench down fails when a fill, a connection or a staging file is left.
  });
});
