import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Identity, Ports } from "./protocol.ts";

/** Longer than any pause of a run, so that no idle connection is closed under a request that is being sent. */
const KEEP_ALIVE_MS = 600_000;

/** Serves the listener on two free ports of 127.0.0.1: plain, and over TLS. */
export async function serveBoth(identity: Identity, listener: RequestListener): Promise<Ports> {
  return {
    http: await listen(createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, listener)),
    https: await listen(createTlsServer({ ...identity, keepAliveTimeout: KEEP_ALIVE_MS }, listener)),
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

/** Answers each message of the parent with what `reply` makes of it; ends when the parent does. */
export function answerParent<Order, Answer>(reply: (order: Order) => Answer | Promise<Answer>): void {
  process.on("message", (order: Order) => {
    void Promise.resolve(reply(order)).then((answer) => process.send?.(answer));
  });
  process.on("disconnect", () => process.exit());
}
