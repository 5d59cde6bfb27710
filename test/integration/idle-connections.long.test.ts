import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "vitest";
import { sendRaw } from "../support/client.ts";
import { test } from "../support/fixtures.ts";

const CONNECTIONS = 10_000;
const MAX_GROWTH_BYTES = 400 * 1024 * 1024;

test("ten thousand idle connections are held, cost little, and keep nobody else waiting", { timeout: 300_000 }, async ({
  larder,
}) => {
  const before = await larder.peakRssBytes();
  const sockets: Socket[] = [];
  const health = `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${larder.port}\r\n\r\n`;
  while (sockets.length < CONNECTIONS) {
    const batch = Array.from({ length: 100 }, () => connect(larder.port, "127.0.0.1"));
    await Promise.all(batch.map((socket) => once(socket, "connect")));
    // Each has asked once and is kept alive.
    for (const socket of batch) socket.write(health);
    await Promise.all(batch.map((socket) => once(socket, "data")));
    sockets.push(...batch);
  }
  expect((await larder.counters())["openConnections"]).toBeGreaterThanOrEqual(CONNECTIONS);
  expect(await sendRaw(larder.port, health.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))).toMatch(
    /^HTTP\/1\.1 200 /,
  );
  const growth = (await larder.peakRssBytes()) - before;
  console.log(
    `${CONNECTIONS} idle connections: ${Math.round(growth / 1024 ** 2)} MiB, ${Math.round(growth / CONNECTIONS / 1024)} KiB each`,
  );
  expect(growth).toBeLessThan(MAX_GROWTH_BYTES);
  for (const socket of sockets) socket.destroy();
});
