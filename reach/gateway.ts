import net from "node:net";
import type { Duplex } from "node:stream";
import { LarderError, systemCode, toLarderError } from "../core/errors.ts";
import { join } from "../core/join.ts";
import type { Log } from "../core/log.ts";
import { formatAuthority, type HostPort } from "../core/target.ts";

/** A connection to wherever larder is now. @throws LarderError `NOT_RUNNING` */
export type DialProxy = () => Promise<net.Socket>;

/**
 * Connections that come at once wait here, as many as the kernel allows: what does not fit is tried again a second
 * later.
 */
const BACKLOG = 4_096;

/** A loopback port behind which larder is, wherever it is: guests keep one address while the cache moves. */
export interface Gateway {
  readonly port: number;
  /** Stops accepting and ends every connection. */
  close(): Promise<void>;
}

/** @throws LarderError `LISTEN_FAILED` */
export async function openGateway(listen: HostPort, dialProxy: DialProxy, log: Log): Promise<Gateway> {
  const clients = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    clients.add(client);
    client.once("close", () => clients.delete(client));
    // Until it is joined there is nobody else to hear of it.
    client.on("error", () => undefined);
    void forward(client, dialProxy).catch((error: unknown) => {
      client.resetAndDestroy();
      const { code, message } = toLarderError(error);
      log.warn({ code, reason: message }, "a connection was not forwarded");
    });
  });
  const port = await bound(server, listen);
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of clients) client.destroy();
      }),
  };
}

/**
 * Joins one client to the proxy; resolves when both ways have ended. Nothing is read before the proxy has answered, so
 * that a client that falls back to another way has lost nothing.
 * @throws LarderError `NOT_RUNNING`
 */
export async function forward(client: Duplex, dialProxy: DialProxy): Promise<void> {
  await join(client, await dialProxy());
}

function bound(server: net.Server, { host, port }: HostPort): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const place = formatAuthority({ host, port });
      const message = `cannot listen on ${place} (${systemCode(cause)}); choose another with --listen, port 0 picks a free one`;
      reject(new LarderError("LISTEN_FAILED", message, { cause }));
    });
    server.listen({ port, host, backlog: BACKLOG }, () => resolve((server.address() as net.AddressInfo).port));
  });
}
