import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect } from "vitest";
import type { CertificateKind } from "../support/authority.ts";
import { get } from "../support/client.ts";
import { test } from "../support/fixtures.ts";
import type { Larder } from "../support/larder.ts";
import { listenOnLoopback, unusedPort } from "../support/listen.ts";

const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => once(server.close(), "close")));
});

/** A server below HTTP. @returns its authority. */
async function rawServer(answer: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    socket.once("data", () => answer(socket));
  });
  servers.push(server);
  const port = await listenOnLoopback(server);
  return `127.0.0.1:${port}`;
}

/** Everything in the store, as `larder store ls --json` tells it. */
async function storeListing(larder: Larder): Promise<unknown> {
  const outcome = await larder.command("store", "ls", "--json");
  expect(outcome).toMatchObject({ code: 0 });
  return JSON.parse(outcome.stdout.toString());
}

const HEAD = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n";

describe("an origin that cannot answer", () => {
  const answering = async (answer: (socket: Socket) => void) => `http://${await rawServer(answer)}/`;
  const faults: readonly (readonly [title: string, code: string, url: () => Promise<string>])[] = [
    ["whose name does not resolve", "ORIGIN_DNS", async () => "http://origin.larder.invalid/"],
    ["that refuses the connection", "ORIGIN_REFUSED", async () => `http://127.0.0.1:${await unusedPort()}/`],
    ["that resets the connection", "ORIGIN_RESET", () => answering((socket) => socket.resetAndDestroy())],
    ["that closes the connection without a word", "ORIGIN_RESET", () => answering((socket) => socket.end())],
    ["that speaks something else", "ORIGIN_PROTOCOL", () => answering((socket) => socket.end("220 mail ready\r\n"))],
  ];

  test.for(faults)("%s is answered 502 %s, and nothing is stored", async ([, code, url], { larder }) => {
    const answer = await get(larder, await url());
    expect(answer).toMatchObject({ status: 502, isWhole: true });
    expect(answer.body.toString()).toContain(code);
    expect(await storeListing(larder)).toEqual([]);
  });

  test.for<CertificateKind>(["expired", "self-signed", "wrong-name"])(
    "whose certificate is bad (%s) is answered 502 ORIGIN_CERTIFICATE, and is never asked",
    async (kind, { larder, caFile, authority, startOrigin }) => {
      const origin = await startOrigin({ tls: authority.certificate(kind), name: "localhost" });
      const answer = await get({ port: larder.port, ca: await readFile(caFile, "utf8") }, `${origin.url}/thing`);
      expect(answer).toMatchObject({ status: 502, isWhole: true });
      expect(answer.body.toString()).toContain("ORIGIN_CERTIFICATE");
      expect(origin.takeRequests()).toEqual([]);
      expect(await storeListing(larder)).toEqual([]);
    },
  );

  test("that does not speak TLS where https is wanted is answered 502 ORIGIN_TLS", async ({
    larder,
    caFile,
    origin,
  }) => {
    const url = `https://localhost:${origin.port}/`;
    const answer = await get({ port: larder.port, ca: await readFile(caFile, "utf8") }, url);
    expect(answer).toMatchObject({ status: 502, isWhole: true });
    expect(answer.body.toString()).toContain("ORIGIN_TLS");
  });
});

describe("an origin that does not keep its word", () => {
  const part = "x".repeat(200_000);

  test.for([
    [
      "a body shorter than its Content-Length",
      (socket: Socket) => socket.end(`${HEAD}Content-Length: 300000\r\n\r\n${part}`),
    ],
    [
      "a body cut by a reset",
      (socket: Socket) => socket.write(`${HEAD}Content-Length: 300000\r\n\r\n${part}`, () => socket.resetAndDestroy()),
    ],
    [
      "a chunked body without its last chunk",
      (socket: Socket) =>
        socket.end(`${HEAD}Transfer-Encoding: chunked\r\n\r\n${part.length.toString(16)}\r\n${part}\r\n`),
    ],
    [
      "a chunked body with a bad chunk size",
      (socket: Socket) => socket.end(`${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`),
    ],
  ] as const)("%s never ends well at the client, and nothing is stored", async ([, send], { larder }) => {
    const url = `http://${await rawServer(send)}/thing`;
    const answer = await get(larder, url);
    expect(answer.status === 502 || !answer.isWhole).toBe(true);
    expect(await storeListing(larder)).toEqual([]);
  });
});
