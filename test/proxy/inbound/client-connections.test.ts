import { once } from "node:events";
import net from "node:net";
import { describe, expect } from "vitest";
import { get, readToEnd } from "../../support/client.ts";
import { test } from "../workbench.ts";

async function enter(port: number, localAddress = "127.0.0.1"): Promise<net.Socket> {
  const socket = net.connect({ port, host: "127.0.0.1", localAddress }).on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

describe("connections beyond those that one client address may have", () => {
  test("are answered 429 and closed; other clients, and those that are there, are served", async ({
    origin,
    startLarder,
  }) => {
    const larder = await startLarder({ settings: { connectionsPerClient: 3 } });
    origin.serve("/a", (_, response) => void response.end("a"));
    const held = await Promise.all(Array.from({ length: 3 }, () => enter(larder.port)));
    for (const _ of ["one too many", "another"]) {
      const refused = await enter(larder.port);
      refused.write(`CONNECT 127.0.0.1:${origin.port} HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect(await readToEnd(refused)).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n.*TOO_MANY_CONNECTIONS/s);
    }
    expect(larder.log.filter(({ message }) => message === "client is turned away")).toHaveLength(1);
    const other = await enter(larder.port, "127.0.0.2");
    const head = `GET ${origin.url}/a HTTP/1.1\r\nHost: 127.0.0.1:${origin.port}\r\nConnection: close\r\n\r\n`;
    other.write(head);
    expect(await readToEnd(other)).toMatch(/^HTTP\/1\.1 200 /);
    const [first, ...rest] = held;
    first?.write(head);
    if (first !== undefined) expect(await readToEnd(first)).toMatch(/^HTTP\/1\.1 200 /);
    await expect.poll(async () => (await get(larder, `${origin.url}/a`)).status).toBe(200);
    for (const socket of rest) socket.destroy();
  });
});

describe("a request that cannot be read", () => {
  test.for([
    ["BAD_REQUEST", "no request\r\n\r\n"],
    ["HEADERS_TOO_LARGE", `GET / HTTP/1.1\r\nX-A: ${"a".repeat(70_000)}`],
    ["FRAMING_AMBIGUOUS", "POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nContent-Length: +1\r\n\r\n"],
  ] as const)("has a line of the log: %s", async ([code, bytes], { startLarder }) => {
    const larder = await startLarder();
    const socket = await enter(larder.port);
    const answered = readToEnd(socket);
    socket.write(bytes);
    expect(await answered).toContain(`larder: ${code}: `);
    expect((await larder.logged("request refused")).facts).toMatchObject({ client: "127.0.0.1", code });
  });

  test("and one that only leaves has none", async ({ startLarder }) => {
    const larder = await startLarder();
    (await enter(larder.port)).resetAndDestroy();
    await expect.poll(() => larder.proxy.counters().openConnections).toBe(0);
    expect(larder.log.filter(({ message }) => message === "request refused")).toEqual([]);
  });
});
