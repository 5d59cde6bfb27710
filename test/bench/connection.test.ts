import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { openingOf } from "../../bench/programs/body.ts";
import { openConnection } from "../../bench/programs/connection.ts";
import type { LoadOrder } from "../../bench/programs/protocol.ts";

const PATH = "/100/hits/7.deb";
const BODY = Buffer.concat([openingOf(PATH), Buffer.alloc(100, "x")]).subarray(0, 100);
const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";

let server: Server | undefined;

afterEach(async () => {
  if (server?.listening) await once(server.close(), "close");
});

/** Asks a server that answers the first request with these pieces and then ends the connection. */
async function ask(...pieces: readonly (string | Buffer)[]): Promise<void> {
  server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.once("data", () => {
      const send = ([piece, ...rest]: typeof pieces) => {
        if (piece === undefined) socket.end();
        else socket.write(piece, () => setImmediate(send, rest));
      };
      send(pieces);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const order: LoadOrder = {
    route: { port, form: "origin" },
    scheme: "http",
    originPort: port,
    bytes: 100,
    kind: "hits",
    first: 7,
    distinct: 1,
    requests: 1,
    connections: 1,
  };
  const connection = await openConnection(order);
  await connection.get(PATH, "origin", { path: PATH, bytes: 100 }).finally(() => connection.close());
}

test("a whole answer is taken, in one piece or byte by byte", async () => {
  await ask(HEAD, BODY);
  await ask(...[...Buffer.concat([Buffer.from(HEAD), BODY])].map((byte) => Buffer.of(byte)));
});

test("a body cut short is a failure", async () => {
  await expect(ask(HEAD, BODY.subarray(0, 99))).rejects.toThrow("closed");
});

test("a body that runs over its length is a failure", async () => {
  await expect(ask(Buffer.concat([Buffer.from(HEAD), BODY, BODY]))).rejects.toThrow("longer");
});

test("another resource's body is a failure", async () => {
  const other = Buffer.concat([openingOf("/100/hits/8.deb"), BODY]).subarray(0, 100);
  await expect(ask(HEAD, other)).rejects.toThrow("another");
});

test("another length, and a body of unknown length, are failures", async () => {
  await expect(ask("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", BODY)).rejects.toThrow("99");
  await expect(ask("HTTP/1.1 200 OK\r\n\r\n", BODY)).rejects.toThrow("Content-Length");
});

test("anything but a 200 is a failure that tells the status line", async () => {
  await expect(ask("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\n", BODY)).rejects.toThrow("502");
});
