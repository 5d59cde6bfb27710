import { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import request from "undici/lib/api/api-request.js";
import Agent from "undici/lib/dispatcher/agent.js";
import { type ErrorCode, LarderError, systemCode } from "../../core/errors.ts";
import { fieldValue, type RawFields, withField, withoutFields } from "../../core/fields.ts";
import { originOf, type TargetUri } from "../../core/target.ts";
import { certificateShownTo } from "../../policy/access/origin-access.ts";
import type { ResponseHead } from "../../policy/plan.ts";
import type { ProxySettings } from "../settings.ts";
import { asUndiciConnector } from "./connect.ts";
import { originFault } from "./faults.ts";
import { type ParentProxy, type ParentTable, type Route, unauthorizedAt } from "./parents.ts";
import { checkResponseHead, checkWasAsked } from "./response-head.ts";
import type { Connect } from "./secure.ts";

/** An origin's answer: the head as it came, the body still to be read, destroyed or discarded by the caller. */
export interface OriginResponse {
  readonly head: ResponseHead;
  readonly body: Readable;
  /** What came behind the body, once that has been read to its end. */
  readonly trailers?: () => RawFields;
  /** Gives up the body, behind the caller's back; the connection is kept when little of it is left. */
  discard(): void;
}

/** A request without content. Path and fields go out byte for byte. */
export interface Question {
  /** GET unless said. */
  readonly method?: "GET" | "HEAD";
  readonly target: TargetUri;
  readonly fields: RawFields;
  readonly signal: AbortSignal;
  /** How long it may wait for an origin that has asked to be left alone; 0 unless said. */
  readonly patienceMs?: number;
  /** Called for each interim answer (1xx) before the final one. */
  readonly onInterim?: ((head: ResponseHead) => void) | undefined;
}

/** Asks origins, over connections that are kept alive; the way out for GET and HEAD. */
export interface Origin {
  /** @throws LarderError of source `origin`, an access code of proxy/origin/dial.ts, or `CLIENT_GONE` when `signal` aborts. */
  ask(question: Question): Promise<OriginResponse>;
  /** Names the certificate of larder's own that it is asked with; `undefined` when none is shown. */
  certificateFor(target: TargetUri): string | undefined;
  close(): Promise<void>;
}

export interface OriginDependencies {
  readonly connect: Connect;
  readonly connectToParents: Connect;
  readonly parents: ParentTable;
}

/** Connections to one origin that may be open at once; fills have a lower bound of their own (`fillsPerOrigin`). */
const CONNECTIONS_PER_ORIGIN = 64;
/** An idle connection is kept as long as its origin says, and no longer: who asks later finds an origin that has moved. */
const KEPT_AT_MOST_MS = 60_000;
const MAX_RESPONSE_HEAD_BYTES = 64 * 1024;
/** A body to be thrown away is read up to this length to keep its connection. */
const DISCARD_BYTES = 64 * 1024;
/** Interim answers before the final one; each gives the origin its time to begin anew. */
const MAX_INTERIM = 64;
/** Read-ahead of a body, in bytes, before the socket is paused. */
const BODY_READ_AHEAD = 256 * 1024;

export function createOrigin(
  { connect, connectToParents, parents }: OriginDependencies,
  settings: ProxySettings,
): Origin {
  const options = {
    connections: CONNECTIONS_PER_ORIGIN,
    pipelining: 1,
    headersTimeout: settings.headersTimeoutMs,
    bodyTimeout: settings.bodyTimeoutMs,
    keepAliveMaxTimeout: KEPT_AT_MOST_MS,
    maxHeaderSize: MAX_RESPONSE_HEAD_BYTES,
  };
  const direct = new Agent({ ...options, connect: asUndiciConnector(connect) });
  const throughParent = new Agent({ ...options, connect: asUndiciConnector(connectToParents) });

  const sendBy = async (
    route: Route,
    { method = "GET", target, fields, signal, onInterim }: Question,
  ): Promise<OriginResponse> => {
    const isDirect = route === "direct";
    const response = await request.call(isDirect ? direct : throughParent, {
      ...(isDirect ? directLine(target, fields) : parentLine(route, target, fields)),
      method,
      signal,
      responseHeaders: "raw",
      highWaterMark: BODY_READ_AHEAD,
      onInfo: countingInterim(target.authority, onInterim),
    } as Dispatcher.RequestOptions);
    // Whoever reads the body is told of its end; one that is destroyed unread says so to nobody, which would end the process.
    response.body.on("error", () => undefined);
    const head = headOf(response);
    try {
      checkResponseHead(head, target.authority);
      checkWasAsked(head, fields, target.authority);
    } catch (error) {
      response.body.destroy();
      throw error;
    }
    const discard = (): void => void response.body.dump({ limit: DISCARD_BYTES }).catch(() => undefined);
    if (head.status === 204 || head.status === 304) {
      discard();
      return { head: withoutContent(head), body: Readable.from([]), discard: () => undefined };
    }
    const trailers = (): RawFields =>
      Object.entries(response.trailers).flatMap(([name, values]) => [values].flat().flatMap((value) => [name, value]));
    return { head, body: response.body, discard, trailers };
  };

  /** Once more where a kept connection may have been closed as the request went out. */
  const sendSurely = (route: Route, question: Question): Promise<OriginResponse> =>
    sendBy(route, question).catch((error: unknown) => {
      if (question.signal.aborted || !isIdleConnectionLost(error)) throw error;
      return sendBy(route, question);
    });

  /** Https goes through its parents by tunnels, plain http as a request to them. */
  const send = (question: Question): Promise<OriginResponse> => {
    if (question.target.scheme === "https") return sendSurely("direct", question);
    return parents.reach("http", question.target, async (route, isLast) => {
      if (route === "direct") return await sendSurely(route, question);
      const response = await sendSurely(route, question).catch((error: unknown) => {
        throw isLast || question.signal.aborted ? error : silenceOf(route, error);
      });
      checkParent(route, response, isLast);
      return response;
    });
  };

  return {
    async ask(question) {
      const { target, signal } = question;
      try {
        return await send(question);
      } catch (error) {
        if (signal.aborted)
          throw new LarderError("CLIENT_GONE", "nobody waits for this answer any more", { cause: error });
        throw originFault(error, target.authority);
      }
    },
    certificateFor: (target) => certificateShownTo(target, settings.originAccess),
    close: async () => {
      await Promise.all([direct.destroy(), throughParent.destroy()]);
    },
  };
}

/** With `responseHeaders: "raw"` undici gives alternating names and values; its types do not say so. */
function headOf({ statusCode, headers }: { readonly statusCode: number; readonly headers: unknown }): ResponseHead {
  return { status: statusCode, fields: headers as RawFields };
}

/**
 * Neither has content, whatever length it tells of (RFC 9112 §6.3): undici would wait for that, or call it cut. In a 304 it is the length
 * of what is stored (RFC 9110 §8.6).
 */
function withoutContent(head: ResponseHead): ResponseHead {
  return head.status === 204 ? { ...head, fields: withoutFields(head.fields, LENGTH) } : head;
}

const LENGTH: ReadonlySet<string> = new Set(["content-length"]);

/** What undici throws of it ends the request. */
function countingInterim(authority: string, onInterim: Question["onInterim"]) {
  let count = 0;
  return (info: Parameters<typeof headOf>[0]): void => {
    count += 1;
    if (count > MAX_INTERIM)
      throw new LarderError(
        "ORIGIN_PROTOCOL",
        `${authority}: more than ${MAX_INTERIM} interim answers, and no final one`,
      );
    onInterim?.(headOf(info));
  };
}

/** A kept-alive connection that the origin closed as the request went out: safe to send again (RFC 9112 §9.3.1). */
function isIdleConnectionLost(error: unknown): boolean {
  const code = systemCode(error);
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}

function directLine(target: TargetUri, fields: RawFields): { origin: string; path: string; headers: string[] } {
  return { origin: originOf(target), path: target.path, headers: [...fields] };
}

/**
 * What a parent answers in place of the origin: that larder is to say who it is, and, where another way is left to be tried, that it
 * cannot get through itself (RFC 9110 §15.6.3 to §15.6.5; Squid says 503).
 */
function checkParent(parent: ParentProxy, response: OriginResponse, isLast: boolean): void {
  const { status } = response.head;
  if (status !== 407 && (isLast || status < 502 || status > 504)) return;
  response.discard();
  if (status === 407) throw unauthorizedAt(parent);
  throw new LarderError("PARENT_PROXY", `proxy ${parent.origin} answered ${status}`, {
    details: { parent: parent.origin, status },
  });
}

/** A parent that takes a request and does not answer it, or not in HTTP: what is only read may be asked for by another way. */
function silenceOf(parent: ParentProxy, error: unknown): unknown {
  const fault = originFault(error, `proxy ${parent.origin}`);
  if (!UNANSWERED.has(fault.code)) return error;
  return new LarderError("PARENT_PROXY", fault.message, { details: { parent: parent.origin }, cause: error });
}

const UNANSWERED: ReadonlySet<ErrorCode> = new Set(["ORIGIN_HEADERS_TIMEOUT", "ORIGIN_PROTOCOL", "ORIGIN_RESET"]);

/** Plain http goes to a parent in absolute form, without a tunnel. */
function parentLine(
  parent: ParentProxy,
  target: TargetUri,
  fields: RawFields,
): { origin: string; path: string; headers: string[] } {
  const headers =
    parent.authorization === undefined ? [...fields] : withField(fields, "Proxy-Authorization", parent.authorization);
  return { origin: parent.origin, path: target.uri, headers };
}

/** The length that a head announces, in bytes; `undefined` when it is not told. */
export function contentLength(head: ResponseHead): number | undefined {
  const text = fieldValue(head.fields, "content-length");
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
