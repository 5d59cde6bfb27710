import { type ErrorCode, LarderError, systemCode } from "../../core/errors.ts";

/** What the system, TLS and undici say, in larder's words. Prefixes end in `_`. */
const FAULTS: readonly (readonly [code: string, fault: ErrorCode])[] = [
  ["ENOTFOUND", "ORIGIN_DNS"],
  ["EAI_", "ORIGIN_DNS"],
  ["ENODATA", "ORIGIN_DNS"],
  ["ECONNREFUSED", "ORIGIN_REFUSED"],
  ["EHOSTUNREACH", "ORIGIN_UNREACHABLE"],
  ["ENETUNREACH", "ORIGIN_UNREACHABLE"],
  ["EADDRNOTAVAIL", "ORIGIN_UNREACHABLE"],
  ["EHOSTDOWN", "ORIGIN_UNREACHABLE"],
  ["ETIMEDOUT", "ORIGIN_CONNECT_TIMEOUT"],
  ["UND_ERR_CONNECT_TIMEOUT", "ORIGIN_CONNECT_TIMEOUT"],
  ["UND_ERR_HEADERS_TIMEOUT", "ORIGIN_HEADERS_TIMEOUT"],
  ["UND_ERR_BODY_TIMEOUT", "ORIGIN_BODY_TIMEOUT"],
  ["ECONNRESET", "ORIGIN_RESET"],
  ["EPIPE", "ORIGIN_RESET"],
  ["UND_ERR_SOCKET", "ORIGIN_RESET"],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "ORIGIN_CUT"],
  ["UND_ERR_HEADERS_OVERFLOW", "ORIGIN_PROTOCOL"],
  ["HPE_", "ORIGIN_PROTOCOL"],
  ["CERT_", "ORIGIN_CERTIFICATE"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "ORIGIN_CERTIFICATE"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "ORIGIN_CERTIFICATE"],
  ["UNABLE_TO_", "ORIGIN_CERTIFICATE"],
  ["INVALID_CA", "ORIGIN_CERTIFICATE"],
  ["INVALID_PURPOSE", "ORIGIN_CERTIFICATE"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "ORIGIN_CERTIFICATE"],
  ["ERR_TLS_", "ORIGIN_TLS"],
  ["ERR_SSL_", "ORIGIN_TLS"],
  ["EPROTO", "ORIGIN_TLS"],
];

/**
 * Says what went wrong with an origin, as a `LarderError` of source `origin`; one that is already larder's stays as it
 * is.
 */
export function originFault(error: unknown, authority: string): LarderError {
  const known = findLarderError(error);
  if (known !== undefined) return known;
  const code = deepestCode(error);
  const fault = FAULTS.find(([name]) => (name.endsWith("_") ? code.startsWith(name) : code === name));
  const reason = REASONS[code] ?? (error instanceof Error && error.message !== "" ? tlsReason(error.message) : code);
  return new LarderError(fault?.[1] ?? "ORIGIN_PROTOCOL", `${authority}: ${reason}`, {
    details: { authority, reason: code },
    cause: error,
  });
}

/**
 * What OpenSSL says (`…:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:…`), without where in itself
 * it was said.
 */
export function tlsReason(message: string): string {
  const reason = /:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1];
  return reason === undefined ? message : `TLS failed: ${reason}`;
}

/** What undici says is about itself: the same about the origin. */
const REASONS: Readonly<Record<string, string>> = {
  ERR_ASSERTION: "the answer is not HTTP/1.1",
  ERR_STREAM_PREMATURE_CLOSE: "it closed the connection in the middle of its answer",
  ECONNRESET: "it reset the connection",
  EPIPE: "it reset the connection",
  UND_ERR_BODY_TIMEOUT: "nothing of the body came for too long (--body-timeout)",
  UND_ERR_HEADERS_OVERFLOW: "the head of its answer is too long",
  UND_ERR_HEADERS_TIMEOUT: "its answer did not begin in time (--headers-timeout)",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "the body is not as long as its Content-Length says",
  UND_ERR_SOCKET: "it closed the connection before its answer was whole, or what it sent is no answer",
};

/**
 * No connection came to be. A bad certificate is none of these: it comes at once, costs nobody a wait, and who mends it
 * wants to see that it is mended.
 */
const CONNECT_FAILURES: ReadonlySet<ErrorCode> = new Set([
  "ORIGIN_DNS",
  "ORIGIN_REFUSED",
  "ORIGIN_UNREACHABLE",
  "ORIGIN_CONNECT_TIMEOUT",
  "ORIGIN_TLS",
]);

/** Whether the fault came before there was a connection. */
export function isConnectFailure({ code }: LarderError): boolean {
  return CONNECT_FAILURES.has(code);
}

/** The same for an answer that broke off in its body. */
export function bodyFault(error: unknown, authority: string): LarderError {
  const fault = originFault(error, authority);
  return fault.code === "ORIGIN_RESET" ? new LarderError("ORIGIN_CUT", fault.message, { cause: error }) : fault;
}

/** Undici and AggregateError (happy eyeballs) wrap the error that tells. */
function findLarderError(error: unknown): LarderError | undefined {
  if (error instanceof LarderError) return error;
  if (error instanceof Error && error.cause !== undefined) return findLarderError(error.cause);
  return undefined;
}

function deepestCode(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return deepestCode(error.errors[0]);
  const code = systemCode(error);
  if (code !== undefined) return code;
  return error instanceof Error && error.cause !== undefined ? deepestCode(error.cause) : "";
}
