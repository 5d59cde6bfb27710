import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import type { buildConnector } from "undici";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import { accessOf } from "../../policy/access/origin-access.ts";
import type { ProxySettings } from "../settings.ts";
import { type Dialer, dialUnchecked } from "./dial.ts";
import { originFault } from "./faults.ts";
import { tunnelThrough } from "./parent-tunnel.ts";
import type { ParentTable } from "./parents.ts";

/** Opens a connection to a host, with verified TLS on it or without. @throws LarderError of source `origin`, or an access code. */
export type Connect = (to: HostPort, isTls: boolean) => Promise<net.Socket>;

/** Speaks verified TLS over a connection that is there. */
export type Secure = (transport: Duplex, to: HostPort) => Promise<tls.TLSSocket>;

/** Where a blind tunnel is to lead. */
export interface TunnelTarget extends HostPort {
  /** The Via of the CONNECT that it is for: parents are told the whole way, so that a loop is seen. */
  readonly via: string | undefined;
}

/** Opens a connection for a blind tunnel, which ends by halves; through a parent proxy where one stands before the host. */
export type OpenTunnel = (to: TunnelTarget) => Promise<net.Socket>;

export interface ConnectOptions {
  readonly dialer: Dialer;
  readonly secure: Secure;
  readonly settings: ProxySettings;
  readonly parents: ParentTable;
}

type TlsSettings = Pick<ProxySettings, "originRoots" | "originAccess" | "connectTimeoutMs">;

/** Connections to origins: through the dialer's access rules, or, for https, a parent's tunnel. */
export function connectToOrigins(options: ConnectOptions): Connect {
  const { dialer, secure, settings } = options;
  const timeoutMs = settings.connectTimeoutMs;
  return async (to, isTls) => {
    if (!isTls) return await dialer.dial(to, { timeoutMs });
    return await secure(await openTransport(to, { ...options, allowHalfOpen: false }), to);
  };
}

/** Connections for blind tunnels, by the ways out of https. */
export function openTunnels(options: ConnectOptions): OpenTunnel {
  return ({ via, ...to }) => openTransport(to, { ...options, via, allowHalfOpen: true });
}

interface TransportOptions extends ConnectOptions {
  readonly allowHalfOpen: boolean;
  readonly via?: string | undefined;
}

function openTransport(to: HostPort, options: TransportOptions): Promise<net.Socket> {
  const { dialer, settings, parents, allowHalfOpen, via } = options;
  return parents.reach("https", to, (route) =>
    route === "direct"
      ? dialer.dial(to, { timeoutMs: settings.connectTimeoutMs, allowHalfOpen })
      : tunnelThrough(route, to, { settings, via }),
  );
}

/** Connections to the parent proxies themselves: the user named them, so no access rule applies. */
export function connectToParents(secure: Secure, settings: ProxySettings): Connect {
  return async (to, isTls) => {
    const socket = await dialUnchecked(to, { timeoutMs: settings.connectTimeoutMs });
    return isTls ? await secure(socket, to) : socket;
  };
}

/** The same in the shape that undici calls. */
export function asUndiciConnector(connect: Connect): buildConnector.connector {
  return ({ hostname, port, protocol }, done) => {
    const isTls = protocol === "https:";
    const to = { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? (isTls ? 443 : 80) : Number(port) };
    connect(to, isTls).then(
      (socket) => done(null, socket.on("error", tellReset)),
      (error: unknown) => done(originFault(error, formatAuthority(to)), null),
    );
  };
}

/**
 * By this code alone undici takes a reset for the end of a body that ends with its connection, as macOS tells of orderly ends so: a
 * part would pass for the whole.
 */
function tellReset(error: NodeJS.ErrnoException): void {
  if (error.code === "ECONNRESET") error.code = "EPIPE";
}

/**
 * One secure context for all origins, and one for each that is special: reading some 140 roots for every connection would
 * cost milliseconds each.
 */
export function createTlsClient({ originRoots, originAccess, connectTimeoutMs }: TlsSettings): Secure {
  const minVersion = "TLSv1.2";
  const common = tls.createSecureContext({ ca: originRoots, minVersion });
  const special = new Map(
    originAccess.map((access) => {
      const { roots, clientCertificate: shown } = access;
      const identity = shown === undefined ? {} : { cert: shown.certificatePem, key: shown.keyPem };
      return [access, tls.createSecureContext({ ca: roots ?? originRoots, minVersion, ...identity })];
    }),
  );
  return async (transport, to) => {
    const access = accessOf(to.host, originAccess);
    const secureContext = (access === undefined ? undefined : special.get(access)) ?? common;
    const isAddress = net.isIP(to.host) !== 0;
    const socket = tls.connect({
      socket: transport,
      secureContext,
      // Said aloud, because NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would otherwise switch verification off.
      rejectUnauthorized: true,
      host: to.host,
      ...(isAddress ? {} : { servername: to.host }),
      ALPNProtocols: ["http/1.1"],
    });
    return await secured(socket, to, connectTimeoutMs);
  };
}

/** @returns the socket once the handshake is over; it is destroyed when an error or the timeout comes first. */
async function secured(socket: tls.TLSSocket, to: HostPort, timeoutMs: number): Promise<tls.TLSSocket> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy(
        new LarderError(
          "ORIGIN_CONNECT_TIMEOUT",
          `${formatAuthority(to)} did not finish connecting within ${timeoutMs} ms`,
        ),
      );
    }, timeoutMs);
    const settle = (outcome: () => void): void => {
      clearTimeout(timer);
      socket.removeListener("error", fail);
      outcome();
    };
    const fail = (error: Error): void => {
      socket.destroy();
      settle(() => reject(error));
    };
    socket.once("error", fail);
    socket.once("secureConnect", () => settle(resolve));
  });
  return socket;
}
