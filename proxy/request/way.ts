import type net from "node:net";
import type { Duplex } from "node:stream";
import type { LarderError } from "../../core/errors.ts";
import type { HostPort, Scheme } from "../../core/target.ts";

/** How a client came in: what is known of a connection before any request on it is read. */
export interface Way {
  /** The TCP connection that it all goes over, TLS in a tunnel included. */
  readonly connection: net.Socket;
  /** The ledger's session of the listener it came in on. */
  readonly session: string | undefined;
  readonly clientAddress: string;
  /** Inside a CONNECT: what the tunnel was asked to reach, and what is spoken in it. */
  readonly tunnel: (HostPort & { readonly scheme: Scheme }) | undefined;
  /** Every request that comes this way is answered with this error, and the connection is closed. */
  readonly refusal: LarderError | undefined;
  /** Called when the first request on it has come in: whoever asks trusts the certificate that was shown. */
  readonly onFirstRequest?: () => void;
}

const ways = new WeakMap<Duplex, Way>();

export function setWay(socket: Duplex, way: Way): void {
  ways.set(socket, way);
}

export function hasWay(socket: Duplex): boolean {
  return ways.has(socket);
}

/** @returns the way of a connection that a listener has accepted. */
export function wayOf(socket: Duplex): Way {
  const way = ways.get(socket);
  if (way === undefined) throw new Error("this connection came in by no listener");
  return way;
}

const withRequests = new WeakSet<Duplex>();

/** Remembers that a request has come in on this connection. */
export function noteRequest(socket: Duplex): void {
  if (withRequests.has(socket)) return;
  withRequests.add(socket);
  ways.get(socket)?.onFirstRequest?.();
}

export function hasHadRequest(socket: Duplex): boolean {
  return withRequests.has(socket);
}
