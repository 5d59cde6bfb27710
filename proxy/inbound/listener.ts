import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type net from "node:net";
import type { BlockList } from "node:net";
import type { Duplex } from "node:stream";
import { LarderError, systemCode, toLarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { formatAuthority } from "../../core/target.ts";
import type { AddressRules } from "../../policy/access/address-rules.ts";
import { networkList } from "../../policy/access/ip-address.ts";
import type { Exchanges } from "../exchange/exchange.ts";
import type { Gate } from "../request/gate.ts";
import { pipelineOf } from "../request/pipeline.ts";
import { isHandedOn, readAgain } from "../request/switching.ts";
import { hasWay, noteRequest, setWay, wayOf } from "../request/way.ts";
import type { ListenOptions, Patience } from "../settings.ts";
import type { ClientConnections } from "./client-connections.ts";
import type { Tunnels } from "./connect.ts";
import { createHttpServer, MAX_REQUEST_HEAD_BYTES } from "./http-server.ts";
import { OpenConnections } from "./open-connections.ts";
import { refuseRaw } from "./raw-answer.ts";

export interface ListenerDependencies {
  readonly log: Log;
  readonly addresses: AddressRules;
  readonly exchanges: Exchanges;
  readonly gate: Gate;
  readonly tunnels: Tunnels;
  readonly patience: Patience;
  /** Whoever comes beyond so many is turned away. */
  readonly maxConnections: number;
  readonly clients: ClientConnections;
}

/** One address that clients come in by. What is intercepted re-enters here, as a connection of its own. */
export class BoundListener {
  readonly #server: Server;
  readonly #dependencies: ListenerDependencies;
  readonly #session: string | undefined;
  readonly #connections = new OpenConnections();
  readonly #guests: BlockList;
  readonly host: string;
  #port = 0;
  #isFull = false;

  private constructor({ host, session, allowClients = [] }: ListenOptions, dependencies: ListenerDependencies) {
    this.host = host;
    this.#session = session;
    this.#guests = networkList(allowClients);
    this.#dependencies = dependencies;
    this.#server = createHttpServer(dependencies.patience);
    this.#server.maxConnections = dependencies.maxConnections;
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
    return this.#connections.count;
  }

  /**
   * Stops accepting and ends connections as they fall idle; resolves when the last exchange and blind tunnel have
   * ended, which {@link BoundListener.cutAll} hastens.
   */
  async close(): Promise<void> {
    // Node would destroy those whose answer has been ended, before the last of it is on its way.
    this.#server.closeIdleConnections = () => undefined;
    const isClosed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all([isClosed, this.#connections.close()]);
  }

  /** Ends every connection now. */
  cutAll(): void {
    this.#connections.cutAll();
  }

  #attach(): void {
    const { exchanges, tunnels, log } = this.#dependencies;
    this.#server.prependListener("connection", (socket: net.Socket) => this.#admit(socket));
    const take = (request: IncomingMessage, response: ServerResponse): void => {
      const { socket } = request;
      noteRequest(socket);
      pipelineOf(socket).take(request, response, () => {
        const { connection } = wayOf(socket);
        this.#connections.begin(connection, response);
        response.once("close", () => this.#connections.end(connection, socket));
        void exchanges.answer(request, response);
      });
    };
    this.#server.on("request", take);
    // Whether a client may send its content is its origin's to say.
    this.#server.on("checkContinue", take);
    this.#server.on("checkExpectation", take);
    this.#server.on("upgrade", (request: IncomingMessage, _socket: Duplex, head: Buffer) =>
      this.#upgrade(request, head),
    );
    this.#server.on("connect", (request: IncomingMessage, socket: net.Socket, head: Buffer) => {
      const { connection } = wayOf(socket);
      socket.setTimeout(0);
      this.#connections.begin(connection);
      const opened = tunnels.open(request, socket, head, this.#server);
      void opened.finally(() => this.#connections.end(connection, socket));
    });
    this.#server.on("timeout", (socket: net.Socket) => endSilent(socket));
    this.#server.on("clientError", (error, socket) => this.#refuse(error, socket as net.Socket));
    this.#server.on("drop", () => this.#noteDrop());
    // A connection that could not be accepted, for want of file descriptors mostly: the others go on.
    this.#server.on("error", (error) => {
      if (this.#port !== 0) log.error({ reason: error.message }, "cannot accept connections");
    });
  }

  #upgrade(request: IncomingMessage, head: Buffer): void {
    const { socket } = request;
    socket.on("error", () => undefined);
    const { connection } = wayOf(socket);
    // Behind other requests, whose answers would be mixed into what is spoken after the switch.
    if (!pipelineOf(socket).isIdle) socket.destroy();
    else if (!isHandedOn(request)) readAgain(request, head, this.#server);
    else {
      noteRequest(socket);
      socket.setTimeout(0);
      this.#connections.begin(connection);
      const ended = this.#dependencies.exchanges.upgrade(request, head);
      void ended.finally(() => this.#connections.end(connection, socket));
    }
  }

  /** Once, until half of the clients have gone again. */
  #noteDrop(): void {
    const { log, maxConnections } = this.#dependencies;
    if (!this.#isFull)
      log.error(
        { maxConnections },
        "clients are turned away: file descriptors would run out; raise the limit: ulimit -n",
      );
    this.#isFull = true;
  }

  /**
   * Every connection passes here first, before the parser sees it; what comes back out of a tunnel has its way already.
   */
  #admit(socket: net.Socket): void {
    if (hasWay(socket)) return;
    const clientAddress = socket.remoteAddress ?? "";
    setWay(socket, {
      connection: socket,
      session: this.#session,
      clientAddress,
      tunnel: undefined,
      refusal: this.#refusalFor(clientAddress),
    });
    this.#connections.add(socket);
    this.#turnAwayOneTooMany(socket, clientAddress);
    if (this.openConnections < this.#dependencies.maxConnections / 2) this.#isFull = false;
  }

  #turnAwayOneTooMany(socket: net.Socket, clientAddress: string): void {
    const { clients, log } = this.#dependencies;
    if (clients.add(socket, clientAddress)) return;
    const { max } = clients;
    const cure = "close those that are not used, or raise --connections-per-client";
    const refusal = new LarderError("TOO_MANY_CONNECTIONS", `${clientAddress} has ${max} connections open: ${cure}`);
    if (clients.isFirstRefusal(clientAddress)) log.warn({ client: clientAddress, max, cure }, "client is turned away");
    setWay(socket, { ...wayOf(socket), refusal });
    pipelineOf(socket).condemn();
    refuseRaw(socket, refusal);
  }

  #refusalFor(clientAddress: string): LarderError | undefined {
    try {
      this.#dependencies.addresses.checkClient(clientAddress, this.#guests);
      return undefined;
    } catch (error) {
      const refusal = toLarderError(error);
      if (!this.#dependencies.gate.takesCredentials) return refusal;
      return new LarderError("PROXY_AUTH_REQUIRED", `clients at ${clientAddress} come in by name and password`);
    }
  }

  #refuse(error: Error, socket: net.Socket): void {
    // Whoever sends a request, be it a bad one, has taken the certificate.
    if (systemCode(error)?.startsWith("HPE_") === true) noteRequest(socket);
    const pipeline = pipelineOf(socket);
    // What follows a refusal is read away, and may be anything.
    if (pipeline.isCondemned) return;
    const fault = requestFault(error);
    // Who only leaves, or never said a word, has asked for nothing.
    if (fault.source === "client" && socket.bytesRead > 0) this.#noteRefusal(socket, fault);
    // An answer under way would swallow the text; its client must see a cut, not a longer body.
    if (pipeline.isUnanswered) refuseRaw(socket, fault);
    else socket.destroy();
    pipeline.condemn();
  }

  #noteRefusal(socket: net.Socket, { code, message }: LarderError): void {
    this.#dependencies.log.info({ client: wayOf(socket).clientAddress, code, reason: message }, "request refused");
  }

  #listen({ host, port, fd }: ListenOptions): Promise<void> {
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
      this.#server.listen(fd === undefined ? { host, port, ipv6Only: host.includes(":") } : { fd }, () => {
        const address = this.#server.address();
        this.#port = typeof address === "object" && address !== null ? address.port : port;
        resolve();
      });
    });
  }
}

/**
 * Nothing has moved on a connection for long. One that is kept for the next request ends; one whose client takes
 * nothing of its answer is reset, as an orderly end could be taken for that of the body. One that waits for an answer
 * waits on.
 */
function endSilent(socket: net.Socket): void {
  // TLS itself cannot be reset.
  if (socket.writableLength > 0) wayOf(socket).connection.resetAndDestroy();
  else if (pipelineOf(socket).isUnused) socket.destroy();
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

/**
 * What llhttp refuses, in larder's words: where the framing is in doubt, nothing after it may be read (RFC 9112 §6.3).
 */
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
