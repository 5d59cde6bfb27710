import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type net from "node:net";
import type { Duplex } from "node:stream";
import { LarderError, systemCode, toLarderError } from "../core/errors.ts";
import { formatAuthority } from "../core/target.ts";
import type { AddressRules } from "../policy/access.ts";
import type { Tunnels } from "./connect.ts";
import type { Exchanges } from "./exchange.ts";
import { refuseRaw } from "./raw-answer.ts";
import type { ListenOptions } from "./settings.ts";
import { hasWay, noteRequest, setWay } from "./way.ts";

export interface ListenerDependencies {
  readonly addresses: AddressRules;
  readonly exchanges: Exchanges;
  readonly tunnels: Tunnels;
}

/** Head of a request, line and fields together. */
const MAX_REQUEST_HEAD_BYTES = 64 * 1024;
/** Idle clients keep their connection longer than the usual proxies and browsers do, so that they, not we, close it. */
const KEEP_ALIVE_MS = 75_000;
const REQUEST_HEAD_MS = 60_000;
const DRAIN_POLL_MS = 50;

/** One address that clients come in by. What is intercepted re-enters here, as a connection of its own. */
export class BoundListener {
  readonly #server: http.Server;
  readonly #dependencies: ListenerDependencies;
  readonly #session: string | undefined;
  readonly #sockets = new Set<net.Socket>();
  readonly #busy = new WeakSet<Duplex>();
  readonly host: string;
  #port = 0;

  private constructor({ host, session }: ListenOptions, dependencies: ListenerDependencies) {
    this.host = host;
    this.#session = session;
    this.#dependencies = dependencies;
    this.#server = http.createServer({
      maxHeaderSize: MAX_REQUEST_HEAD_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: REQUEST_HEAD_MS,
      // A body may be as long as a git push; what is silent is ended by the origin's timeouts.
      requestTimeout: 0,
      noDelay: true,
      // read-target.ts checks the Host field itself, to answer with a code.
      requireHostHeader: false,
    });
    this.#attach();
  }

  /** @throws LarderError `LISTEN_FAILED` */
  static async bind(options: ListenOptions, dependencies: ListenerDependencies): Promise<BoundListener> {
    const listener = new BoundListener(options, dependencies);
    await listener.#listen(options);
    return listener;
  }

  get port(): number {
    return this.#port;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Stops accepting and lets idle connections go; resolves when the last exchange and tunnel have ended. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const poll = setInterval(() => this.#server.closeIdleConnections(), DRAIN_POLL_MS);
    this.#server.closeIdleConnections();
    await closed;
    clearInterval(poll);
  }

  /** Ends every connection now. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #attach(): void {
    const { exchanges, tunnels } = this.#dependencies;
    this.#server.prependListener("connection", (socket: net.Socket) => this.#admit(socket));
    this.#server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request;
      noteRequest(socket);
      this.#busy.add(socket);
      response.once("close", () => this.#busy.delete(socket));
      void exchanges.answer(request, response);
    });
    this.#server.on("connect", (request: IncomingMessage, socket: net.Socket, head: Buffer) => {
      void tunnels.open(request, socket, head, this.#server);
    });
    this.#server.on("clientError", (error, socket) => this.#refuse(error, socket as net.Socket));
  }

  /** Every connection passes here first, before the parser sees it; what comes back out of a tunnel has its way already. */
  #admit(socket: net.Socket): void {
    if (hasWay(socket)) return;
    const clientAddress = socket.remoteAddress ?? "";
    setWay(socket, {
      session: this.#session,
      clientAddress,
      tunnel: undefined,
      refusal: this.#refusalFor(clientAddress),
    });
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #refusalFor(clientAddress: string): LarderError | undefined {
    try {
      this.#dependencies.addresses.checkClient(clientAddress);
      return undefined;
    } catch (error) {
      return toLarderError(error);
    }
  }

  #refuse(error: Error, socket: net.Socket): void {
    // An answer under way would swallow the text; its client must see a cut, not a longer body.
    if (this.#busy.has(socket)) {
      socket.destroy();
      return;
    }
    refuseRaw(socket, requestFault(error));
  }

  #listen({ host, port }: ListenOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) => {
        const at = formatAuthority({ host, port });
        reject(
          new LarderError("LISTEN_FAILED", `cannot listen on ${at}: ${listenCure(error)}`, {
            details: { host, port },
            cause: error,
          }),
        );
      });
      this.#server.listen({ host, port, ipv6Only: host.includes(":") }, () => {
        const address = this.#server.address();
        this.#port = typeof address === "object" && address !== null ? address.port : port;
        resolve();
      });
    });
  }
}

function listenCure(error: Error): string {
  switch (systemCode(error)) {
    case "EADDRINUSE":
      return "another program listens there; stop it or choose another --listen HOST:PORT";
    case "EADDRNOTAVAIL":
      return "this machine has no such address";
    case "EACCES":
      return "ports below 1024 need more rights; choose a higher port";
    default:
      return error.message;
  }
}

/** What llhttp refuses, in larder's words: where the framing is in doubt, nothing after it may be read (RFC 9112 §6.3). */
function requestFault(error: Error): LarderError {
  const code = systemCode(error) ?? "";
  if (code === "HPE_HEADER_OVERFLOW")
    return new LarderError("HEADERS_TOO_LARGE", `the head is longer than ${MAX_REQUEST_HEAD_BYTES} bytes`);
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return new LarderError("REQUEST_TIMEOUT", "the request did not arrive in time");
  if (/CONTENT_LENGTH|TRANSFER_ENCODING|CHUNK/.test(code)) {
    return new LarderError("FRAMING_AMBIGUOUS", `the length of the request is in doubt: ${error.message}`);
  }
  if (code.startsWith("HPE_")) return new LarderError("BAD_REQUEST", `not an HTTP/1.1 request: ${error.message}`);
  return toLarderError(error);
}
