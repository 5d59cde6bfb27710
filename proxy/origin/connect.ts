import type net from "node:net";
import type { buildConnector } from "undici";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import type { ProxySettings } from "../settings.ts";
import type { Dialer } from "./dial.ts";
import { originFault } from "./faults.ts";
import { dialParent, parentFault, tunnelThrough } from "./parent-tunnel.ts";
import type { ParentTable } from "./parents.ts";
import type { Connect, Secure } from "./secure.ts";
import { readOverContinue } from "./unasked-continue.ts";

/** Where a blind tunnel is to lead. */
export interface TunnelTarget extends HostPort {
  /** The Via of the CONNECT that it is for: parents are told the whole way, so that a loop is seen. */
  readonly via: string | undefined;
}

/**
 * Opens a connection for a blind tunnel, which ends by halves; through a parent proxy where one stands before the host.
 */
export type OpenTunnel = (to: TunnelTarget) => Promise<net.Socket>;

export interface ConnectOptions {
  readonly dialer: Dialer;
  readonly secure: Secure;
  readonly settings: ProxySettings;
  readonly parents: ParentTable;
}

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
  const { dialer, secure, settings, parents, allowHalfOpen, via } = options;
  return parents.reach("https", to, (route) =>
    route === "direct"
      ? dialer.dial(to, { timeoutMs: settings.connectTimeoutMs, allowHalfOpen })
      : tunnelThrough(route, to, { settings, secure, via }),
  );
}

/** Connections to the parent proxies themselves: the user named them, so no access rule applies. */
export function connectToParents(secure: Secure, settings: ProxySettings): Connect {
  return async (to, isTls) => {
    try {
      return await dialParent(to, { isTls, secure, timeoutMs: settings.connectTimeoutMs });
    } catch (error) {
      throw parentFault(error, to);
    }
  };
}

/** The same in the shape that undici calls. */
export function asUndiciConnector(connect: Connect): buildConnector.connector {
  return ({ hostname, port, protocol }, done) => {
    const isTls = protocol === "https:";
    const to = { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? (isTls ? 443 : 80) : Number(port) };
    connect(to, isTls).then(
      (socket) => done(null, readOverContinue(socket.on("error", tellReset))),
      (error: unknown) => done(originFault(error, formatAuthority(to)), null),
    );
  };
}

/**
 * By this code alone undici takes a reset for the end of a body that ends with its connection, as macOS tells of
 * orderly ends so: a part would pass for the whole.
 */
function tellReset(error: NodeJS.ErrnoException): void {
  if (error.code === "ECONNRESET") error.code = "EPIPE";
}
