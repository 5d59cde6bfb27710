import { type IncomingMessage, METHODS, type Server } from "node:http";
import net from "node:net";
import { TLSSocket } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import { LarderError, toLarderError } from "../../core/errors.ts";
import { join } from "../../core/join.ts";
import type { Log } from "../../core/log.ts";
import { formatAuthority, type HostPort, parseConnectTarget } from "../../core/target.ts";
import type { AddressRules } from "../../policy/access/address-rules.ts";
import { type ClientHello, readClientHello } from "../../policy/access/client-hello.ts";
import { mayIntercept } from "../../policy/access/tunnels.ts";
import type { OpenTunnel, TunnelTarget } from "../origin/connect.ts";
import { tlsReason } from "../origin/faults.ts";
import type { Gate } from "../request/gate.ts";
import { checkLoop, checkRequestHead } from "../request/request-head.ts";
import { hasHadRequest, setWay, type Way, wayOf } from "../request/way.ts";
import type { ProxyDependencies, ProxySettings } from "../settings.ts";
import { Distrust } from "./distrust.ts";
import { firstToSpeak, peekFirstBytes } from "./first-bytes.ts";
import { refuseRaw } from "./raw-answer.ts";

export interface ConnectDependencies {
  readonly contexts: ProxyDependencies["contexts"];
  readonly addresses: AddressRules;
  readonly log: Log;
  readonly clock: Clock;
  readonly settings: ProxySettings;
  readonly gate: Gate;
  /** Whether that address, or `localhost`, and port is one of larder's own listeners. */
  readonly isOwnListener: (host: string, port: number) => boolean;
  /** Opens a plain connection for a blind tunnel, through a parent proxy where one stands before the host. */
  readonly openTunnel: OpenTunnel;
}

/**
 * How long a client may say nothing inside a tunnel before it is taken for one that waits for the server to speak
 * first.
 */
const SERVER_FIRST_MS = 1_000;
/**
 * On the ports of HTTP it is the client that begins: one that says nothing is busy, and a blind tunnel would keep
 * nothing.
 */
const CLIENT_FIRST_PORTS: ReadonlySet<number> = new Set([80, 443, 8080, 8443]);
const CLIENT_FIRST_MS = 60_000;
const ESTABLISHED = "HTTP/1.1 200 Connection established\r\n\r\n";
/** How long a handshake may take, as in node:tls. */
const HANDSHAKE_MS = 120_000;

/** CONNECT (RFC 9110 §9.3.6): opens the tunnel, looks at what is spoken in it, and intercepts it or leaves it alone. */
export class Tunnels {
  readonly #deps: ConnectDependencies;
  readonly #distrust: Distrust;

  constructor(dependencies: ConnectDependencies) {
    this.#deps = dependencies;
    this.#distrust = new Distrust(dependencies.clock, dependencies.settings.tunnelUntrustingMs);
  }

  /**
   * Carries out one CONNECT; what is intercepted comes back to `server` as a connection. Resolves when that is so, or
   * the blind tunnel has ended. Never rejects.
   */
  async open(request: IncomingMessage, socket: net.Socket, head: Buffer, server: Server): Promise<void> {
    socket.on("error", () => undefined);
    let way = wayOf(socket);
    if (head.length > 0) socket.unshift(head);
    let isEstablished = false;
    const establish = (): void => {
      isEstablished = true;
      socket.write(ESTABLISHED);
    };
    try {
      checkRequestHead(request);
      checkLoop(request, this.#deps.settings.pseudonym);
      way = await this.#deps.gate.admit(request, way);
      setWay(socket, way);
      const to = this.#destinationOf(request);
      if (!mayIntercept(to.host, this.#deps.settings)) {
        return await this.#tunnel(socket, to, { detail: "tunnel-list", onOpen: establish });
      }
      establish();
      await this.#look(socket, way, to, server);
    } catch (error) {
      const fault = toLarderError(error);
      this.#noteRefusal(request, way, fault);
      // Inside an open tunnel nobody would understand an answer.
      if (isEstablished) socket.destroy();
      else refuseRaw(socket, fault);
    }
  }

  #destinationOf(request: IncomingMessage): TunnelTarget {
    const to = parseConnectTarget(request.url ?? "");
    if (this.#deps.isOwnListener(to.host, to.port))
      throw new LarderError("TARGET_IS_PROXY", `${formatAuthority(to)} is this proxy itself`);
    this.#deps.addresses.checkPort(to.port);
    if (net.isIP(to.host) !== 0) this.#deps.addresses.checkDestination(to.host, to.host);
    return { ...to, via: request.headers.via };
  }

  /** What is spoken inside decides: TLS is intercepted, http is served like any other, and the rest passes blindly. */
  async #look(socket: net.Socket, way: Way, to: TunnelTarget, server: Server): Promise<void> {
    const patienceMs = CLIENT_FIRST_PORTS.has(to.port) ? CLIENT_FIRST_MS : SERVER_FIRST_MS;
    const begun = await peekFirstBytes(socket, (sofar) => sofar.length > 0, patienceMs);
    if (begun?.length === 0) return await this.#undecided(socket, way, to, server);
    const isComplete = (sofar: Buffer): boolean => firstWordsOf(sofar) !== "incomplete";
    const bytes = begun && (await peekFirstBytes(socket, isComplete, CLIENT_FIRST_MS));
    if (bytes === undefined || socket.destroyed) {
      socket.destroy();
      return;
    }
    const words = firstWordsOf(bytes);
    if (words === "http") {
      setWay(socket, { ...way, tunnel: { ...to, scheme: "http" } });
      server.emit("connection", socket);
      socket.resume();
    } else if (words === "incomplete" || words === "neither") {
      await this.#tunnel(socket, to, { detail: "not-http" });
    } else if (words.alpn !== undefined && !words.alpn.includes("http/1.1")) {
      await this.#tunnel(socket, to, { detail: "alpn" });
    } else if (this.#distrust.isTunnelled(whoIs(way, to, words))) {
      await this.#tunnel(socket, to, { detail: "untrusting-client" });
    } else this.#intercept(socket, way, { to, hello: words, server });
  }

  /**
   * A client that says nothing waits for the server to speak, or is busy. Who speaks first tells: only when it is the
   * server is the tunnel left alone, however slow the client.
   */
  async #undecided(socket: net.Socket, way: Way, to: TunnelTarget, server: Server): Promise<void> {
    const { openTunnel, settings } = this.#deps;
    const upstream = await openTunnel(to);
    switch (await firstToSpeak(socket, upstream, settings.tunnelIdleMs)) {
      case "server":
        return await this.#tunnel(socket, to, { detail: "server-first", upstream });
      case "client":
        upstream.destroy();
        return await this.#look(socket, way, to, server);
      default:
        upstream.destroy();
        socket.destroy();
    }
  }

  #intercept(socket: net.Socket, way: Way, { to, hello, server }: Interception): void {
    const name = hello.serverName?.toLowerCase().replace(/\.$/, "");
    const isMisnamed = name !== undefined && net.isIP(to.host) === 0 && name !== to.host;
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: this.#deps.contexts.contextFor(name ?? to.host),
      ALPNProtocols: ["http/1.1"],
    });
    const refusal = isMisnamed
      ? new LarderError("NAME_MISMATCH", `TLS names ${name} in a tunnel to ${to.host}`)
      : way.refusal;
    const who = whoIs(way, to, hello);
    const onFirstRequest = (): void => this.#distrust.noteTrust(who);
    setWay(secure, { ...way, tunnel: { ...to, scheme: "https" }, refusal, onFirstRequest });
    let reason = "it closed the connection before its first request";
    const giveUp = (): void => void secure.destroy();
    const patience = setTimeout(giveUp, HANDSHAKE_MS);
    // Sockets of node:http stay open by halves; an end in mid-handshake is the end.
    secure.once("end", giveUp);
    secure.on("error", (error) => {
      reason = tlsReason(error.message);
    });
    secure.once("secure", () => {
      clearTimeout(patience);
      secure.removeListener("end", giveUp);
      server.emit("connection", secure);
    });
    secure.once("close", () => {
      clearTimeout(patience);
      socket.destroy();
      // Some clients look at the certificate only after the handshake: they just leave, without a word.
      if (!hasHadRequest(secure))
        this.#noteRejection(way, to, { reason, isTunnelled: this.#distrust.noteRejection(who) });
    });
    socket.once("close", () => secure.destroy());
  }

  /**
   * What a client names may hold its password or a signature: of a target that cannot be read only what stands between
   * is written down.
   */
  #noteRefusal(request: IncomingMessage, { clientAddress }: Way, { code, message }: LarderError): void {
    const told = request.url?.replace(/^.*\?.*@.*$/s, "…");
    const target = told?.replace(/^.*@/s, "").replace(/\?.*/s, "?…");
    this.#deps.log.info({ method: "CONNECT", target, client: clientAddress, code, reason: message }, "tunnel");
  }

  /** The one line that tells why a client gets nowhere, with the cure. */
  #noteRejection(way: Way, to: HostPort, { reason, isTunnelled }: Rejection): void {
    this.#deps.log.warn(
      {
        client: way.clientAddress,
        target: formatAuthority(to),
        reason,
        ...(isTunnelled ? { unopenedForMs: this.#deps.settings.tunnelUntrustingMs } : {}),
        cure: `let the client trust the CA (larder ca path, or GET /ca.pem), or leave the host alone with --tunnel ${to.host}`,
      },
      "client rejected the certificate",
    );
  }

  /** @throws LarderError when the host cannot be reached; the client's connection is then still there. */
  async #tunnel(
    socket: net.Socket,
    to: TunnelTarget,
    { detail, onOpen, upstream: opened }: BlindTunnel,
  ): Promise<void> {
    const { openTunnel, log, settings } = this.#deps;
    const upstream = opened ?? (await openTunnel(to));
    onOpen?.();
    const startedMs = performance.now();
    const end = await join(socket, upstream, { idleMs: settings.tunnelIdleMs });
    const totalMs = Math.round(performance.now() - startedMs);
    const target = formatAuthority(to);
    const client = wayOf(socket).clientAddress;
    log.info({ method: "CONNECT", target, client, outcome: "fwd=bypass", detail, ...end, totalMs }, "tunnel");
  }
}

interface Rejection {
  readonly reason: string;
  /** Its tunnels to that host stay unopened from now on. */
  readonly isTunnelled: boolean;
}

/**
 * A client and a host, for what is remembered of the two. Containers and guests all come from the loopback address: the
 * session's listener, and what is known of the program by its ClientHello, tell them apart, so that one that lacks the
 * CA costs the others nothing.
 */
function whoIs({ session = "", clientAddress }: Way, { host, port }: HostPort, hello: ClientHello): string {
  return [session, clientAddress, host, port, hello.fingerprint].join(" ");
}

interface Interception {
  readonly to: HostPort;
  readonly hello: ClientHello;
  readonly server: Server;
}

interface BlindTunnel {
  /** Why it is not opened. */
  readonly detail: string;
  readonly onOpen?: () => void;
  /** The other side, where it was connected to already. */
  readonly upstream?: net.Socket;
}

/** What a client begins with inside a tunnel: TLS, a request, or something else. */
function firstWordsOf(bytes: Buffer): ClientHello | "http" | "neither" | "incomplete" {
  const hello = readClientHello(bytes);
  return hello === "not-tls" ? readRequestStart(bytes) : hello;
}

const LONGEST_METHOD = Math.max(...METHODS.map((method) => method.length));

/**
 * A request line begins with a method and a space (RFC 9112 §3); other protocols, such as SSH, begin with words as
 * well.
 */
function readRequestStart(bytes: Buffer): "http" | "neither" | "incomplete" {
  const start = bytes.toString("latin1", 0, LONGEST_METHOD + 1);
  if (METHODS.some((method) => start.startsWith(`${method} `))) return "http";
  return METHODS.some((method) => `${method} `.startsWith(start)) ? "incomplete" : "neither";
}
