import { isIPv4, isIPv6 } from "node:net";
import { LarderError } from "./errors.ts";

export type Scheme = "http" | "https";

/** An address to connect to: a lower-case name without final dot, or an IP literal without brackets, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * A target URI (RFC 9110 §7.1) in the form that names a resource: scheme and host in lower case, default port and final
 * dot dropped, path and query byte for byte, no fragment.
 */
export interface TargetUri extends HostPort {
  readonly scheme: Scheme;
  /** `host[:port]` as it stands in the URI: IPv6 in brackets, no default port. */
  readonly authority: string;
  /** Path and query exactly as the client sent them; begins with `/`. */
  readonly path: string;
  /** `scheme://authority` + path. */
  readonly uri: string;
}

const DEFAULT_PORTS: Readonly<Record<Scheme, number>> = { http: 80, https: 443 };
const ABSOLUTE_FORM = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^#]*)/;
const REG_NAME = /^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_-])?$/;
/** Visible ASCII and raw UTF-8 octets; anything below, and DEL, could split a request line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being refused
const FORBIDDEN_IN_PATH = /[\u0000-\u0020\u007f]/;

/**
 * Reads an absolute-form target (RFC 9112 §3.2.2).
 * @throws LarderError `UNKNOWN_SCHEME`, `USERINFO_IN_TARGET` or `BAD_TARGET`.
 */
export function parseTarget(text: string): TargetUri {
  const match = ABSOLUTE_FORM.exec(text);
  if (match === null) throw new LarderError("BAD_TARGET", `not an absolute http or https URI: ${shorten(text)}`);
  const scheme = (match[1] as string).toLowerCase();
  if (scheme !== "http" && scheme !== "https")
    throw new LarderError("UNKNOWN_SCHEME", `scheme ${shorten(scheme)} is not http or https`);
  const { host, port } = parseHostPort(match[2] as string);
  return makeTarget(scheme, { host, port: port ?? DEFAULT_PORTS[scheme] }, match[3] as string);
}

/** Builds the target of an origin-form request that came in over a tunnel or listener of that scheme, host and port. */
export function makeTarget(scheme: Scheme, { host, port }: HostPort, rawPath: string): TargetUri {
  // No client is to send a fragment (RFC 9110 §7.1); some do.
  const [sent = ""] = rawPath.split("#", 1);
  const path = sent.startsWith("/") ? sent : `/${sent}`;
  if (FORBIDDEN_IN_PATH.test(path))
    throw new LarderError("BAD_TARGET", "the target holds a space or a control character");
  const authority = formatAuthority({ host, port }, DEFAULT_PORTS[scheme]);
  return { scheme, host, port, authority, path, uri: `${scheme}://${authority}${path}` };
}

/**
 * Reads the authority-form target of a CONNECT (RFC 9110 §9.3.6): host and port, both required.
 * @throws LarderError `CONNECT_NEEDS_PORT`, `USERINFO_IN_TARGET` or `BAD_TARGET`.
 */
export function parseConnectTarget(text: string): HostPort {
  const { host, port } = parseHostPort(text);
  if (port === undefined) throw new LarderError("CONNECT_NEEDS_PORT", `CONNECT ${shorten(text)} names no port`);
  return { host, port };
}

/** `scheme://authority`: names the origin (RFC 9110 §4.3.1) of a target. */
export function originOf({ scheme, authority }: TargetUri): string {
  return `${scheme}://${authority}`;
}

/**
 * Reads `host`, `host:port` or `[v6]:port`; an absent port is `undefined`.
 * @throws LarderError `USERINFO_IN_TARGET`, `BAD_TARGET`
 */
export function parseHostPort(text: string): { readonly host: string; readonly port: number | undefined } {
  if (text.includes("@"))
    throw new LarderError("USERINFO_IN_TARGET", "the target holds user information; send credentials in a field");
  const match = /^(\[[^\]]*\]|[^:]*)(?::([0-9]*))?$/.exec(text);
  const host = match === null ? undefined : normalizeHost(match[1] as string);
  if (match === null || host === undefined)
    throw new LarderError("BAD_TARGET", `not a host name or address: ${shorten(text)}`);
  const port = match[2];
  if (port === undefined || port === "") return { host, port: undefined };
  const number = Number(port);
  if (number < 1 || number > 65535) throw new LarderError("BAD_TARGET", `not a port: ${shorten(port)}`);
  return { host, port: number };
}

/** `host[:port]` with IPv6 in brackets; the port is left out when it is `defaultPort`. */
export function formatAuthority({ host, port }: HostPort, defaultPort?: number): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return port === defaultPort ? name : `${name}:${port}`;
}

/** Zone ids are refused: a `URL` cannot hold one, and they mean nothing on another machine. */
function normalizeHost(text: string): string | undefined {
  if (text.startsWith("[")) {
    const address = text.slice(1, -1).toLowerCase();
    return isIPv6(address) && !address.includes("%") ? address : undefined;
  }
  const name = text.toLowerCase().replace(/\.$/, "");
  if (isIPv4(name)) return name;
  return name.length <= 253 && REG_NAME.test(name) && !/^[0-9.]+$/.test(name) ? name : undefined;
}

/** For a message, which ends in a log: a query may hold a signature. */
function shorten(whole: string): string {
  const text = whole.replace(/\?.*/s, "?…");
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** Whether nobody but this machine reaches the host, by the text of it: no name is looked up. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}
