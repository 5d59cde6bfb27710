import type { IncomingMessage } from "node:http";
import { LarderError } from "../../core/errors.ts";
import { eachField, fieldLines, listMembers } from "../../core/fields.ts";
import { parseHostPort } from "../../core/target.ts";

/**
 * Refuses a head of which two readers could make two things: that is how a request is smuggled past a proxy. What
 * llhttp refuses by itself (docs/threat-model.md lists it) does not come here.
 * @throws LarderError `BAD_REQUEST` or `FRAMING_AMBIGUOUS`; nothing that follows on the connection may be read then.
 */
export function checkRequestHead(request: IncomingMessage): void {
  const { httpVersion } = request;
  if (httpVersion !== "1.1" && httpVersion !== "1.0")
    throw new LarderError("BAD_REQUEST", `HTTP/${httpVersion} is not spoken here; use HTTP/1.1`);
  checkFraming(request);
  checkHostField(request);
}

/** RFC 9112 §6.1, §6.3: `chunked` alone, said once, and no length beside it. */
function checkFraming({ method, httpVersion, rawHeaders }: IncomingMessage): void {
  const codings = fieldLines(rawHeaders, "transfer-encoding");
  const lengths = fieldLines(rawHeaders, "content-length");
  const isChunked = codings.length > 0;
  if (isChunked && (codings.length > 1 || codings[0]?.toLowerCase() !== "chunked"))
    throw inDoubt("its Transfer-Encoding is not just `chunked`");
  if (isChunked && httpVersion === "1.0") throw inDoubt("HTTP/1.0 has no Transfer-Encoding");
  if (lengths.length > 1 || (isChunked && lengths.length > 0)) throw inDoubt("it is told more than once");
  if (method === "CONNECT" && (isChunked || (lengths[0] ?? "0") !== "0")) throw inDoubt("a CONNECT has no content");
}

function inDoubt(why: string): LarderError {
  return new LarderError("FRAMING_AMBIGUOUS", `the length of the request is in doubt: ${why}`);
}

/** One Host field that names a host (RFC 9112 §3.2); beside a target that names its own, it may be empty. */
function checkHostField({ method, httpVersion, rawHeaders, url = "" }: IncomingMessage): void {
  const hosts = fieldLines(rawHeaders, "host");
  if (hosts.length > 1) throw new LarderError("BAD_REQUEST", "the request has more than one Host field");
  const [host] = hosts;
  if (host === undefined) {
    // Some clients leave it out of a CONNECT, whose target says it all.
    if (httpVersion === "1.0" || method === "CONNECT") return;
    throw new LarderError("BAD_REQUEST", "the request has no Host field");
  }
  if (host === "" && !url.startsWith("/")) return;
  try {
    parseHostPort(host);
  } catch (cause) {
    throw new LarderError("BAD_REQUEST", "the Host field names no host", { cause });
  }
}

/**
 * Refuses what this larder has sent itself (RFC 9110 §7.6.3).
 * @throws LarderError `LOOP_DETECTED`
 */
export function checkLoop({ headers }: IncomingMessage, pseudonym: string): void {
  const { via } = headers;
  if (via === undefined || !via.includes(pseudonym)) return;
  if (listMembers(via).some((member) => member.split(/\s+/)[1] === pseudonym)) {
    throw new LarderError(
      "LOOP_DETECTED",
      "the request has come through this proxy before: a proxy setting points back at it",
    );
  }
}

/**
 * Removes the fields that Connection names (RFC 9110 §7.6.1) where the request comes in: they do not go on, so nothing
 * may be decided, keyed or stored by them either. An attacker would else have an answer to other fields kept under
 * these.
 */
export function dropConnectionFields(request: IncomingMessage): void {
  const { rawHeaders, headers } = request;
  const named = listMembers((headers.connection ?? "").toLowerCase()).filter((name) => !KEPT.has(name));
  if (!named.some((name) => headers[name] !== undefined)) return;
  const kept: string[] = [];
  eachField(rawHeaders, (name, value, line) => {
    if (!named.includes(name)) kept.push(line, value);
  });
  rawHeaders.splice(0, rawHeaders.length, ...kept);
  for (const name of named) delete headers[name];
}

/** What says where a message goes and where it ends cannot be taken from it; the rest of these larder reads itself. */
const KEPT: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
