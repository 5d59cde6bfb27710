import { randomInt } from "node:crypto";
import { once } from "node:events";
import net, { type Server, type Socket } from "node:net";
import { systemCode } from "../../core/errors.ts";

/** Below those that the kernel gives away by itself (net.ipv4.ip_local_port_range): what is let go here, nobody else is given. */
const FIRST_PORT = 20_000;
const ROWS = 390;
/** Files that run beside each other have ports of their own: vitest numbers its processes from 1. */
const SLOTS = 16;
const SLOT = Number(process.env["VITEST_POOL_ID"] ?? 0) % SLOTS;

/** Has the server listen on a free port of 127.0.0.1, which stays the test's own when it is closed. @returns that port, once it does */
export async function listenOnLoopback(server: Server): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + SLOTS * randomInt(ROWS) + SLOT;
    try {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
      return port;
    } catch (error) {
      if (systemCode(error) !== "EADDRINUSE") throw error;
    }
  }
}

/** Nobody listens there, and nobody will but who is told of it. */
export async function unusedPort(): Promise<number> {
  const server = net.createServer();
  const port = await listenOnLoopback(server);
  server.close();
  await once(server, "close");
  return port;
}

/** A port of 127.0.0.1 at which a test's own protocol is spoken; each side of a connection may end by itself. */
export async function listenWith(onConnection: (socket: Socket) => unknown): Promise<{ port: number; close(): void }> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  return { port: await listenOnLoopback(server), close: () => server.close() };
}
