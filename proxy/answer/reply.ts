import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { Readable } from "node:stream";
import { LarderError } from "../../core/errors.ts";
import { eachField, type RawFields } from "../../core/fields.ts";
import { endToEndFields, trailersToPass } from "../../policy/forwarding.ts";
import type { ResponseHead } from "../../policy/plan.ts";
import { readAtMost } from "../fill/read-at-most.ts";
import { CHALLENGE } from "../request/gate.ts";
import { pipelineOf } from "../request/pipeline.ts";
import type { Mirror, PageAnswer } from "../site/mirror.ts";
import { faultOfUpstream } from "../site/substituter.ts";
import type { ExchangeRecord } from "./record.ts";

/** A page of this length, unpacked, is a mistake or an attack. */
const MAX_PAGE_BYTES = 128 * 1024 * 1024;

/** What goes with a text that larder says itself. */
export const OWN_TEXT: RawFields = [
  "Content-Type",
  "text/plain; charset=utf-8",
  "Cache-Control",
  "no-store",
  "X-Content-Type-Options",
  "nosniff",
];

/** One exchange on its way out: the request, where its answer goes, and what is told about it. */
export interface Reply {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: ExchangeRecord;
  readonly pseudonym: string;
  /** The client gets the whole, whatever part it asks for. */
  ignoresRange?: boolean;
  /** Asked for by a mirror URL: the answer is sent under larder's own name. */
  mirror?: Mirror;
  /** The head of an answer whose body is rewritten before either goes out. */
  held?: RawFields;
  /** Whether the client still listens. */
  isOpen(): boolean;
}

/**
 * Sends the head: the given fields, which must be fit for the client, and Cache-Status.
 * @throws LarderError `NOT_FOUND`, `ORIGIN_STATUS` when another of several mirrors is to be asked; nothing has gone out
 * then.
 */
export function sendHead(reply: Reply, status: number, fields: RawFields): void {
  const { mirror, request } = reply;
  if (mirror === undefined) {
    writeHead(reply, status, fields);
    return;
  }
  const fault = mirror.isOneOfSeveral ? faultOfUpstream(mirror.target, status) : undefined;
  if (fault !== undefined) throw fault;
  const derives = mirror.derives(status, fields);
  if (derives && request.method === "GET") reply.held = fields;
  else writeHead(reply, status, mirror.dress(derives ? mirror.undress(fields) : fields));
}

function writeHead({ response, record }: Reply, status: number, fields: RawFields): void {
  response.writeHead(status, [...fields, "Cache-Status", record.formatStatus()]);
}

/**
 * Sends the page that was made of these stored bytes before.
 * @returns false when there is none; nothing has been sent then.
 */
export function sendDerivedAgain(reply: Reply, status: number, fields: RawFields): boolean {
  const { mirror, record } = reply;
  if (mirror === undefined || record.digest === undefined || !mirror.derives(status, fields)) return false;
  const page = mirror.derived(fields, record.digest);
  if (page === undefined) return false;
  sendPage(reply, mirror, page);
  return true;
}

/** Sends the page that is made of the origin's. */
function sendDerived(reply: Reply, original: RawFields, page: Buffer): void {
  const { mirror, record } = reply;
  if (mirror !== undefined) sendPage(reply, mirror, mirror.derive(original, page, record.digest));
}

function sendPage(reply: Reply, mirror: Mirror, { status, fields, body }: PageAnswer): void {
  const { request, record, response } = reply;
  writeHead(reply, status, mirror.dress(fields));
  const sent = request.method === "HEAD" ? undefined : body;
  record.sentBytes += sent?.length ?? 0;
  response.end(sent);
}

/**
 * Hands an interim answer on (RFC 9110 §15.2) while nothing of the final one has gone out. HTTP/1.0 knows none; 100 and
 * 101 are between the origin and larder.
 */
export function sendInterim({ request, response, mirror, isOpen }: Reply, { status, fields }: ResponseHead): void {
  // An answer behind others on its connection has no socket yet: there is nowhere to send this to.
  const { socket } = response;
  if (socket === null || response.headersSent || !isOpen() || mirror !== undefined) return;
  if (request.httpVersion === "1.0" || status < 102 || status > 199) return;
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  eachField(endToEndFields(fields), (_name, value, line) => {
    head += `${line}: ${value}\r\n`;
  });
  socket.write(`${head}\r\n`, "latin1");
}

/** Sends a whole answer whose body is in memory. HEAD, 204 and 304 send none of it. */
export function sendWhole(reply: Reply, status: number, fields: RawFields, body: Buffer): void {
  sendHead(reply, status, fields);
  if (reply.held !== undefined) {
    sendDerived(reply, reply.held, body);
    return;
  }
  if (reply.request.method === "HEAD" || status === 304) {
    reply.response.end();
    return;
  }
  reply.record.sentBytes += body.length;
  reply.response.end(body);
}

/**
 * Sends the chunks at the client's speed and ends the answer cleanly. The next is asked for when the system has taken
 * the one before: a source may use its buffers again.
 * @param trailers called at the end; they go out where the answer is chunked, and are lost else, as RFC 9110 §6.5.1
 * allows
 * @returns false when the client left before the end. @throws what the source throws; the answer is then not ended.
 */
export async function sendBody(
  reply: Reply,
  chunks: AsyncIterable<Buffer>,
  trailers?: () => RawFields,
): Promise<boolean> {
  const { response, record } = reply;
  if (reply.held !== undefined) {
    const page = await readAtMost(Readable.from(copied(chunks)), MAX_PAGE_BYTES);
    if (page === undefined)
      throw new LarderError("METADATA_BROKEN", `a page of more than ${MAX_PAGE_BYTES} bytes is not rewritten`);
    if (reply.isOpen()) sendDerived(reply, reply.held, page);
    return reply.isOpen();
  }
  for await (const chunk of chunks) {
    if (!reply.isOpen()) return false;
    record.sentBytes += chunk.length;
    if (!(await written(response, chunk))) return false;
  }
  if (!reply.isOpen()) return false;
  if (trailers !== undefined) response.addTrailers(trailersToPass(trailers()));
  response.end();
  return true;
}

/** The chunks to keep, of a source that may use its buffers again. */
async function* copied(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

/** Resolves when the system has taken the bytes. @returns false when the client has left. */
function written(response: ServerResponse, chunk: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const onClose = (): void => resolve(false);
    response.once("close", onClose);
    response.write(chunk, (error) => {
      response.removeListener("close", onClose);
      resolve(error == null);
    });
  });
}

/**
 * Ends an exchange with an error: an answer that names its code while nothing has gone out, else a destroyed
 * connection, so that no client takes the part for the whole.
 */
export function sendError(reply: Reply, error: LarderError): void {
  const { request, response, record } = reply;
  record.error = error;
  if (!reply.isOpen()) return;
  if (response.headersSent) {
    cut(reply);
    return;
  }
  const isOurs = error.source !== "origin";
  const { stored: _, ...cacheStatus } = record.cacheStatus;
  record.cacheStatus = { ...cacheStatus, detail: error.code };
  // A request whose body was not read, or that is in doubt, must not be followed by another on this connection.
  const isShut = record.way.refusal !== undefined && error.status !== 407;
  const closes = isShut || isInDoubt(error) || (isOurs && !request.complete);
  const fields = [...OWN_TEXT];
  const { retryAfterSeconds } = error.details;
  if (typeof retryAfterSeconds === "number") fields.push("Retry-After", String(retryAfterSeconds));
  if (error.status === 407) fields.push("Proxy-Authenticate", CHALLENGE);
  if (closes) {
    response.shouldKeepAlive = false;
    pipelineOf(request.socket).condemn();
  }
  sendText(reply, error.status, fields, `larder: ${error.code}: ${error.message}\n`);
}

/** The request was no clear one (400), or meant somebody else (421). */
function isInDoubt({ source, status }: LarderError): boolean {
  return source === "client" && (status === 400 || status === 421);
}

/**
 * Ends the connection in the middle of a body. HTTP/1.0 knows a body's end by the connection's (RFC 9112 §6.3): that
 * one is reset, for an orderly end would make the part look like the whole.
 */
function cut({ request, record }: Reply): void {
  if (request.httpVersion === "1.0") record.way.connection.resetAndDestroy();
  else request.socket.destroy();
}

export function sendText(reply: Reply, status: number, fields: RawFields, text: string): void {
  const body = Buffer.from(text);
  sendWhole(reply, status, [...fields, "Content-Length", String(body.length)], body);
}
