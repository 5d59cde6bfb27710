/** Whose fault an error is. */
export type ErrorSource = "client" | "origin" | "store" | "config" | "internal";

interface CodeFacts {
  readonly source: ErrorSource;
  /** The status of the answer when the error ends an exchange before its first byte (RFC 9110 §15). */
  readonly status: number;
}

/**
 * Every error larder can name. The cause and cure of each stand in docs/errors.md; a test compares the two.
 * Branch on codes, never on the text of a message.
 */
export const ERROR_CODES = {
  BAD_REQUEST: { source: "client", status: 400 },
  FRAMING_AMBIGUOUS: { source: "client", status: 400 },
  BAD_TARGET: { source: "client", status: 400 },
  UNKNOWN_SCHEME: { source: "client", status: 400 },
  USERINFO_IN_TARGET: { source: "client", status: 400 },
  CONNECT_NEEDS_PORT: { source: "client", status: 400 },
  HEADERS_TOO_LARGE: { source: "client", status: 431 },
  REQUEST_TIMEOUT: { source: "client", status: 408 },
  TOO_MANY_CONNECTIONS: { source: "client", status: 429 },
  NAME_MISMATCH: { source: "client", status: 421 },
  CLIENT_NOT_ALLOWED: { source: "client", status: 403 },
  PROXY_AUTH_REQUIRED: { source: "client", status: 407 },
  DESTINATION_NOT_ALLOWED: { source: "client", status: 403 },
  PORT_NOT_ALLOWED: { source: "client", status: 403 },
  HOST_NOT_SERVED: { source: "client", status: 421 },
  CROSS_SITE: { source: "client", status: 403 },
  TARGET_IS_PROXY: { source: "client", status: 508 },
  LOOP_DETECTED: { source: "client", status: 508 },
  NOT_FOUND: { source: "client", status: 404 },
  METHOD_NOT_ALLOWED: { source: "client", status: 405 },
  ONLY_IF_CACHED: { source: "client", status: 504 },
  RELEASE_TOO_YOUNG: { source: "client", status: 403 },
  RANGE_NOT_SATISFIABLE: { source: "client", status: 416 },
  CLIENT_GONE: { source: "client", status: 499 },

  ORIGIN_DNS: { source: "origin", status: 502 },
  ORIGIN_REFUSED: { source: "origin", status: 502 },
  ORIGIN_UNREACHABLE: { source: "origin", status: 502 },
  ORIGIN_CONNECT_TIMEOUT: { source: "origin", status: 504 },
  ORIGIN_BREAKER_OPEN: { source: "origin", status: 504 },
  ORIGIN_HELD: { source: "origin", status: 503 },
  ORIGIN_HEADERS_TIMEOUT: { source: "origin", status: 504 },
  ORIGIN_BODY_TIMEOUT: { source: "origin", status: 504 },
  ORIGIN_RESET: { source: "origin", status: 502 },
  ORIGIN_CUT: { source: "origin", status: 502 },
  ORIGIN_CERTIFICATE: { source: "origin", status: 502 },
  ORIGIN_TLS: { source: "origin", status: 502 },
  ORIGIN_PROTOCOL: { source: "origin", status: 502 },
  PARENT_PROXY: { source: "origin", status: 502 },
  ORIGIN_STATUS: { source: "origin", status: 502 },
  TOO_MANY_REDIRECTS: { source: "origin", status: 502 },
  GENERATION_GONE: { source: "origin", status: 502 },
  DIGEST_MISMATCH: { source: "origin", status: 502 },
  SIZE_MISMATCH: { source: "origin", status: 502 },
  SIGNATURE_BAD: { source: "origin", status: 502 },
  METADATA_BROKEN: { source: "origin", status: 502 },

  STORE_LOCKED: { source: "store", status: 500 },
  STORE_NEWER: { source: "store", status: 500 },
  STORE_UNREADABLE: { source: "store", status: 500 },
  STORE_UNWRITABLE: { source: "store", status: 500 },
  BLOB_MISSING: { source: "store", status: 500 },
  BLOB_CORRUPT: { source: "store", status: 500 },

  USAGE: { source: "config", status: 500 },
  CONFIG_UNREADABLE: { source: "config", status: 500 },
  CONFIG_UNKNOWN_KEY: { source: "config", status: 500 },
  CONFIG_BAD_VALUE: { source: "config", status: 500 },
  CA_KEY_EXPOSED: { source: "config", status: 500 },
  CA_UNREADABLE: { source: "config", status: 500 },
  CA_UNUSABLE: { source: "config", status: 500 },
  CA_CHANGED: { source: "config", status: 500 },
  CA_UNWRITABLE: { source: "config", status: 500 },
  FILE_UNWRITABLE: { source: "config", status: 500 },
  LISTEN_FAILED: { source: "config", status: 500 },
  NOT_RUNNING: { source: "config", status: 500 },
  COMMAND_NOT_FOUND: { source: "config", status: 500 },
  COMMAND_NOT_EXECUTABLE: { source: "config", status: 500 },
  ENGINE_FAILED: { source: "config", status: 500 },
  IMAGE_UNREADABLE: { source: "config", status: 500 },

  INTERNAL: { source: "internal", status: 500 },
} as const satisfies Readonly<Record<string, CodeFacts>>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorContext {
  /** What a program may read; never credentials, cookies or query strings of signed URLs. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** The one error class of larder: a code from the closed table, a sentence for a person, and details for a program. */
export class LarderError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, "cause" in context ? { cause: context.cause } : undefined);
    this.name = "LarderError";
    this.code = code;
    this.details = context.details ?? {};
  }

  get source(): ErrorSource {
    return ERROR_CODES[this.code].source;
  }

  /** The HTTP status that tells this error to a client. */
  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** The error itself when larder made it, else an `INTERNAL` one that carries it as its cause. */
export function toLarderError(error: unknown): LarderError {
  if (error instanceof LarderError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new LarderError("INTERNAL", message, { cause: error });
}

/** The system's code of an error (`ENOENT`, `ECONNREFUSED`, `ERR_SSL_…`), or `undefined` when it has none. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
