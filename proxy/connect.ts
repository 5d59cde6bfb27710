import type { IncomingMessage, Server } from "node:http";
import net from "node:net";
import { TLSSocket } from "node:tls";
import { LarderError, toLarderError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { formatAuthority, type HostPort, parseConnectTarget } from "../core/target.ts";
import type { AddressRules } from "../policy/access.ts";
import { type ClientHello, mayIntercept, readClientHello } from "../policy/tunnels.ts";
import { peekFirstBytes } from "./first-bytes.ts";
import { refuseRaw } from "./raw-answer.ts";
import type { ProxyDependencies, ProxySettings } from "./settings.ts";
import { joinTunnel } from "./tunnel.ts";
import { hasHadRequest, setWay, type Way, wayOf } from "./way.ts";

export interface ConnectDependencies {
  readonly contexts: ProxyDependencies["contexts"];
  readonly addresses: AddressRules;
  readonly log: Log;
  readonly settings: ProxySettings;
  /** Opens a plain connection for a blind tunnel, through a parent proxy where one stands before the host. */
  readonly openTunnel: (to: HostPort) => Promise<net.Socket>;
}

/** How long a client may say nothing inside a tunnel before it is taken for one that waits for the server to speak first. */
const SERVER_FIRST_MS = 1_000;
/** On the ports of HTTP it is the client that begins: one that says nothing is busy, and a blind tunnel would keep nothing. */
const CLIENT_FIRST_PORTS: ReadonlySet<number> = new Set([80, 443, 8080, 8443]);
const CLIENT_FIRST_MS = 60_000;
const ESTABLISHED = "HTTP/1.1 200 Connection established\r\n\r\n";
/** A request line begins with a method token and a space (RFC 9112 §3). */
const REQUEST_LINE_START = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,24}( |$)/;

/** CONNECT (RFC 9110 §9.3.6): opens the tunnel, looks at what is spoken in it, and intercepts it or leaves it alone. */
export class Tunnels {
  readonly #deps: ConnectDependencies;

  constructor(dependencies: ConnectDependencies) {
    this.#deps = dependencies;
  }

  /** Carries out one CONNECT; what is intercepted comes back to `server` as a connection. Never rejects. */
  async open(request: IncomingMessage, socket: net.Socket, head: Buffer, server: Server): Promise<void> {
    socket.on("error", () => undefined);
    const way = wayOf(socket);
    if (head.length > 0) socket.unshift(head);
    try {
      if (way.refusal !== undefined) throw way.refusal;
      const to = parseConnectTarget(request.url ?? "");
      this.#deps.addresses.checkPort(to.port);
      if (net.isIP(to.host) !== 0) this.#deps.addresses.checkDestination(to.host, to.host);
      if (!mayIntercept(to.host, this.#deps.settings)) return await this.#tunnel(socket, to, "tunnel-list");
      socket.write(ESTABLISHED);
      await this.#look(socket, way, to, server);
    } catch (error) {
      const fault = toLarderError(error);
      this.#deps.log.info(
        { method: "CONNECT", target: request.url, client: way.clientAddress, code: fault.code, reason: fault.message },
        "tunnel",
      );
      refuseRaw(socket, fault);
    }
  }

  /** What is spoken inside decides: TLS is intercepted, http is served like any other, and the rest passes blindly. */
  async #look(socket: net.Socket, way: Way, to: HostPort, server: Server): Promise<void> {
    const patienceMs = CLIENT_FIRST_PORTS.has(to.port) ? CLIENT_FIRST_MS : SERVER_FIRST_MS;
    const bytes = await peekFirstBytes(socket, (sofar) => readClientHello(sofar) !== "incomplete", patienceMs);
    if (bytes === undefined) {
      socket.destroy();
      return;
    }
    const hello = readClientHello(bytes);
    if (hello === "not-tls" && REQUEST_LINE_START.test(bytes.toString("latin1", 0, 64))) {
      setWay(socket, { ...way, tunnel: { ...to, scheme: "http" } });
      server.emit("connection", socket);
      socket.resume();
      return;
    }
    if (hello === "incomplete" || hello === "not-tls")
      return await this.#tunnel(socket, to, bytes.length === 0 ? "server-first" : "not-http", true);
    if (hello.alpn !== undefined && !hello.alpn.includes("http/1.1"))
      return await this.#tunnel(socket, to, "alpn", true);
    this.#intercept(socket, way, to, hello, server);
  }

  #intercept(socket: net.Socket, way: Way, to: HostPort, { serverName }: ClientHello, server: Server): void {
    const name = serverName?.toLowerCase().replace(/\.$/, "");
    const isMisnamed = name !== undefined && net.isIP(to.host) === 0 && name !== to.host;
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: this.#deps.contexts.contextFor(name ?? to.host),
      ALPNProtocols: ["http/1.1"],
    });
    const refusal = isMisnamed
      ? new LarderError("NAME_MISMATCH", `TLS names ${name} in a tunnel to ${to.host}`)
      : way.refusal;
    setWay(secure, { ...way, tunnel: { ...to, scheme: "https" }, refusal });
    let reason = "it closed the connection before its first request";
    secure.on("error", (error) => {
      reason = error.message;
    });
    secure.once("secure", () => server.emit("connection", secure));
    secure.once("close", () => {
      socket.destroy();
      // Some clients look at the certificate only after the handshake: they just leave, without a word.
      if (!hasHadRequest(secure)) this.#noteRejection(way, to, reason);
    });
    socket.once("close", () => secure.destroy());
  }

  /** The one line that tells why a client gets nowhere, with the cure. */
  #noteRejection(way: Way, to: HostPort, reason: string): void {
    this.#deps.log.warn(
      {
        client: way.clientAddress,
        target: formatAuthority(to),
        reason,
        cure: `let the client trust the CA (larder ca path, or GET /ca.pem), or leave the host alone with --tunnel ${to.host}`,
      },
      "client rejected the certificate",
    );
  }

  async #tunnel(socket: net.Socket, to: HostPort, detail: string, isEstablished = false): Promise<void> {
    const { openTunnel, log, settings } = this.#deps;
    const clientAddress = wayOf(socket).clientAddress;
    const facts = {
      method: "CONNECT",
      target: formatAuthority(to),
      client: clientAddress,
      outcome: "fwd=bypass",
      detail,
    };
    let upstream: net.Socket;
    try {
      upstream = await openTunnel(to);
    } catch (error) {
      if (!isEstablished) throw error;
      const fault = toLarderError(error);
      log.info({ ...facts, code: fault.code, reason: fault.message }, "tunnel");
      socket.destroy();
      return;
    }
    if (!isEstablished) socket.write(ESTABLISHED);
    const startedMs = performance.now();
    const end = await joinTunnel(socket, upstream, settings.tunnelIdleMs);
    log.info({ ...facts, ...end, totalMs: Math.round(performance.now() - startedMs) }, "tunnel");
  }
}
