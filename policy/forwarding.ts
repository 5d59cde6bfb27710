import { eachField, fieldValue, listMembers, type RawFields } from "../core/fields.ts";
import type { Coding, RequestView } from "./plan.ts";

/**
 * Fields meaningful for one connection only: RFC 9110 §7.6.1, plus the legacy proxy-connection and what goes with
 * chunks.
 */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Fields between a client and its proxy (RFC 9110 §11.7): they say nothing to the far end, and hold credentials. */
const BETWEEN_CLIENT_AND_PROXY: ReadonlySet<string> = new Set([
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
]);

/**
 * What narrows a request to a part, or to a state the client knows: left out where the whole is wanted (RFC 9110 §13,
 * §14.2).
 */
export const NARROWING: ReadonlySet<string> = new Set([
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "range",
]);

/**
 * What servers behind a reverse proxy believe about the request although it stands in no cache key: an answer made for
 * one client's words would be stored for all. A client of a forward proxy has no business with these; where nothing is
 * stored (other methods), they go on.
 */
const UNKEYED =
  /^(?:forwarded|x-forwarded(?:-.*)?|x-original-(?:host|url|uri)|x-rewrite-url|x-(?:http-)?method(?:-override)?|x-host|x-real-ip|(?:x|true)-client-ip)$/;

export interface ToOrigin {
  /** The name of this proxy in Via. */
  readonly pseudonym: string;
  readonly coding: Coding;
  /** The whole representation is wanted: the client's own conditions and range stay here, to be answered here. */
  readonly whole?: boolean;
  /** Conditions of our own (RFC 9111 §4.3.1), in place of the client's; implies `whole`. */
  readonly conditional?: RawFields;
}

/** Whether whoever gets the request is to answer it, and hand it on no more (RFC 9110 §7.6.2). */
export function isForwardedNoMore({ method, fields }: Pick<RequestView, "method" | "fields">): boolean {
  return COUNTED.has(method) && Number(fieldValue(fields, "max-forwards") ?? Number.NaN) === 0;
}

/** The methods whose forwarders are counted; other requests carry the field as it is. */
const COUNTED: ReadonlySet<string> = new Set(["OPTIONS", "TRACE"]);

/**
 * The fields of a request as the origin gets it: Host by the target first (RFC 9112 §3.2.2), then the client's
 * end-to-end fields in their order and case, then what larder adds.
 */
export function fieldsToOrigin(request: RequestView, options: ToOrigin): string[] {
  const sent = ["Host", request.target.authority];
  const named = fieldsNamedByConnection(request.fields);
  const isRead = request.method === "GET" || request.method === "HEAD";
  const isWhole = options.whole === true || options.conditional !== undefined;
  eachField(request.fields, (name, value, line) => {
    if (name === "host" || isLocal(name, named)) return;
    // An expectation is for content that a GET or HEAD does not have (RFC 9110 §10.1.1).
    if (isRead && (name === "expect" || UNKEYED.test(name))) return;
    if (isWhole && NARROWING.has(name)) return;
    if (name === "accept-encoding" && options.coding !== "asked") return;
    sent.push(line, name === "max-forwards" && COUNTED.has(request.method) ? oneLess(value) : value);
  });
  if (options.coding !== "asked") sent.push("Accept-Encoding", options.coding);
  if (options.conditional !== undefined) sent.push(...options.conditional);
  sent.push("Via", `1.1 ${options.pseudonym}`);
  return sent;
}

function oneLess(count: string): string {
  return /^\d{1,9}$/.test(count) ? String(Math.max(0, Number(count) - 1)) : count;
}

/** The fields of a response as a client gets it: hop-by-hop fields removed, Via added (RFC 9110 §7.6.3). */
export function fieldsToClient(fields: RawFields, pseudonym: string): string[] {
  const sent = endToEndFields(fields);
  sent.push("Via", `1.1 ${pseudonym}`);
  return sent;
}

/** The fields that are not for one connection only, in their order and case. */
export function endToEndFields(fields: RawFields): string[] {
  const kept: string[] = [];
  const named = fieldsNamedByConnection(fields);
  eachField(fields, (name, value, line) => {
    if (!isLocal(name, named)) kept.push(line, value);
  });
  return kept;
}

/** Fields that frame or describe the content: they mean nothing behind it (RFC 9110 §6.5.1). */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "host",
]);

/** The trailers of a message as the other side gets them, as pairs (RFC 9110 §6.5). */
export function trailersToPass(fields: RawFields): [name: string, value: string][] {
  const passed: [string, string][] = [];
  eachField(endToEndFields(fields), (name, value, line) => {
    if (!NOT_IN_TRAILERS.has(name)) passed.push([line, value]);
  });
  return passed;
}

function isLocal(name: string, named: readonly string[]): boolean {
  return HOP_BY_HOP.has(name) || BETWEEN_CLIENT_AND_PROXY.has(name) || named.includes(name);
}

function fieldsNamedByConnection(fields: RawFields): string[] {
  const named: string[] = [];
  eachField(fields, (name, value) => {
    if (name === "connection") named.push(...listMembers(value.toLowerCase()));
  });
  return named;
}
