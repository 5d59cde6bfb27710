import net from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import { accessOf } from "../../policy/access/origin-access.ts";
import type { ProxySettings } from "../settings.ts";

/**
 * Opens a connection to a host, with verified TLS on it or without.
 * @throws LarderError of source `origin`, or an access code.
 */
export type Connect = (to: HostPort, isTls: boolean) => Promise<net.Socket>;

/** Speaks verified TLS over a connection that is there, which ends by halves where that does. */
export type Secure = (transport: Duplex, to: HostPort) => Promise<tls.TLSSocket>;

type TlsSettings = Pick<ProxySettings, "originRoots" | "originAccess" | "connectTimeoutMs">;

/**
 * One secure context for all origins, and one for each that is special: reading some 140 roots for every connection
 * would cost milliseconds each.
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
