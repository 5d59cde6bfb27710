import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import type { buildConnector } from "undici";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import { accessOf } from "../../policy/origin-access.ts";
import type { ProxySettings } from "../settings.ts";
import type { Dialer } from "./dial.ts";
import { originFault } from "./faults.ts";
import { type ParentProxy, tunnelThrough } from "./parents.ts";

/** Opens a connection to a host, with verified TLS on it or without. @throws LarderError of source `origin`, or an access code. */
export type Connect = (to: HostPort, isTls: boolean) => Promise<net.Socket>;

/** Speaks verified TLS over a connection that is there. */
export type Secure = (transport: Duplex, to: HostPort) => Promise<tls.TLSSocket>;

export interface ConnectOptions {
  readonly dialer: Dialer;
  readonly secure: Secure;
  readonly settings: ProxySettings;
  /** The parent proxy that stands before an https origin, if any. */
  readonly findParent: (to: HostPort) => ParentProxy | undefined;
}

type TlsSettings = Pick<ProxySettings, "originRoots" | "originAccess" | "connectTimeoutMs">;

/** Connections to origins: through the dialer's access rules, or a parent's tunnel. */
export function connectToOrigins({ dialer, secure, settings, findParent }: ConnectOptions): Connect {
  return async (to, isTls) => {
    const parent = isTls ? findParent(to) : undefined;
    if (parent !== undefined) return await secure(await tunnelThrough(parent, to, settings), to);
    const socket = await dialer.dial(to, { timeoutMs: settings.connectTimeoutMs });
    return isTls ? await secure(socket, to) : socket;
  };
}

/** Connections to the parent proxies themselves: the user named them, so no access rule applies. */
export function connectToParents(secure: Secure, settings: ProxySettings): Connect {
  return async (to, isTls) => {
    const socket = net.connect({ ...to, autoSelectFamily: true, noDelay: true });
    await settled(socket, "connect", to, settings.connectTimeoutMs);
    return isTls ? await secure(socket, to) : socket;
  };
}

/** The same in the shape that undici calls. */
export function asUndiciConnector(connect: Connect): buildConnector.connector {
  return ({ hostname, port, protocol }, done) => {
    const isTls = protocol === "https:";
    const to = { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? (isTls ? 443 : 80) : Number(port) };
    connect(to, isTls).then(
      (socket) => done(null, socket),
      (error: unknown) => done(originFault(error, formatAuthority(to)), null),
    );
  };
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
    return await settled(socket, "secureConnect", to, connectTimeoutMs);
  };
}

/** @returns the socket once the event has come; it is destroyed when an error or the timeout comes first. */
async function settled<S extends net.Socket>(
  socket: S,
  event: "connect" | "secureConnect",
  to: HostPort,
  timeoutMs: number,
): Promise<S> {
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
    socket.once(event, () => settle(resolve));
  });
  return socket;
}
