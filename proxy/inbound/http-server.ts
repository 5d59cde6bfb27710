import http from "node:http";
import type { Patience } from "../settings.ts";

/** Head of a request, line and fields together. */
export const MAX_REQUEST_HEAD_BYTES = 64 * 1024;
/** A client that vanished without a word (a container killed, a machine asleep) is found out after this. */
const KEEP_ALIVE_PROBE_MS = 60_000;
/** How often node:http looks for heads that take too long. */
const LOOK_MS = 5_000;

/** The HTTP server of a listener: what comes in on its connections, and out of tunnels, is read by it. */
export function createHttpServer({ headMs, idleMs, stalledMs }: Patience): http.Server {
  const server = http.createServer({
    maxHeaderSize: MAX_REQUEST_HEAD_BYTES,
    keepAliveTimeout: idleMs,
    headersTimeout: headMs,
    connectionsCheckingInterval: Math.min(LOOK_MS, headMs),
    // A body may be as long as a git push; what is silent is ended by the origin's timeouts.
    requestTimeout: 0,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    // read-target.ts checks the Host field itself, to answer with a code.
    requireHostHeader: false,
  });
  // node:http would leave out the fields beyond 2000, among them the one that says how long the request is.
  server.maxHeadersCount = 0;
  server.timeout = stalledMs;
  // `nc -N` and their like end their side behind the request; node:http would end the other before the answer.
  return Object.assign(server, { httpAllowHalfOpen: true });
}
