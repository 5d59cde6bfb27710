import { once } from "node:events";
import net, { type AddressInfo, type Server, type Socket } from "node:net";

/** Has the server listen on a free port of 127.0.0.1. @returns that port, once it does */
export async function listenOnLoopback(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** A port of 127.0.0.1 at which a test's own protocol is spoken; each side of a connection may end by itself. */
export async function listenWith(onConnection: (socket: Socket) => unknown): Promise<{ port: number; close(): void }> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  return { port: await listenOnLoopback(server), close: () => server.close() };
}
