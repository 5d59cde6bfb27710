/**
 * What the orchestrator and its child programs say to each other. The programs run on plain node, without a TypeScript
 * loader, so they import nothing but node and one another.
 */

export type Scheme = "http" | "https";

/**
 * How a request gets to the origin by way of a contestant on 127.0.0.1: the form of its request target (RFC 9112 §3.2).
 * `tunnel` is a CONNECT to the origin, then TLS and origin-form inside.
 */
export interface Route {
  readonly port: number;
  readonly form: "origin" | "absolute" | "tunnel";
  /** PEM of the root that the contestant's certificate chains to; absent where no TLS is spoken. */
  readonly ca?: string;
  /** What clients call the origin's host; 127.0.0.1 where absent. */
  readonly originName?: string;
}

/** A hit is in the contestant's store before the clock starts; a miss has never been asked for. */
export type Kind = "hits" | "misses";

/** One body per URI: `/<bytes>/<kind>/<number>.deb`, so that origin and baseline need no other state. */
export interface Resource {
  readonly bytes: number;
  readonly kind: Kind;
  readonly number: number;
}

export function pathOf({ bytes, kind, number }: Resource): string {
  return `/${bytes}/${kind}/${number}.deb`;
}

/** @returns `undefined` when the path names no resource of the bench. */
export function resourceAt(path: string): Resource | undefined {
  const match = /^\/(\d{1,12})\/(hits|misses)\/(\d{1,9})\.deb$/.exec(path);
  if (match === null) return undefined;
  return { bytes: Number(match[1]), kind: match[2] as Kind, number: Number(match[3]) };
}

/**
 * Asks the load program for `requests` GETs, spread over the connections; the n-th takes resource `first + n %
 * distinct`.
 */
export interface LoadOrder {
  readonly route: Route;
  readonly scheme: Scheme;
  readonly originPort: number;
  readonly bytes: number;
  readonly kind: Kind;
  readonly first: number;
  readonly distinct: number;
  readonly requests: number;
  readonly connections: number;
}

/** The authority of the origin as clients write it on that route. */
export function authorityOf({ route, originPort }: LoadOrder): string {
  return `${route.originName ?? "127.0.0.1"}:${originPort}`;
}

/**
 * Every answer was a 200 with the length and the opening bytes of its own body, or `failure` says what the first wrong
 * one was.
 */
export interface LoadResult {
  readonly failure?: string;
}

/** Key and certificate (PEM) of a server on 127.0.0.1. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

/** The ports a child program listens on. */
export type Ports = Readonly<Record<Scheme, number>>;

export interface BaselineOrder {
  readonly identity: Identity;
  readonly origin: Ports;
  /** PEM of the root that the origin's certificate chains to. */
  readonly originCa: string;
  /** Where the files of large bodies are put. */
  readonly folder: string;
}
