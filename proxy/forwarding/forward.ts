import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import { type Duplex, PassThrough } from "node:stream";
import type httpProxy from "http-proxy";
import { entryKeyOf } from "../../core/entry.ts";
import { LarderError } from "../../core/errors.ts";
import { eachField, fieldValue, withoutFields } from "../../core/fields.ts";
import { makeTarget, type Scheme, type TargetUri } from "../../core/target.ts";
import { fieldsToOrigin, isForwardedNoMore, trailersToPass } from "../../policy/forwarding.ts";
import type { RequestView, ResponseHead } from "../../policy/plan.ts";
import { type Reply, sendInterim, sendWhole } from "../answer/reply.ts";
import { servePass } from "../answer/respond.ts";
import { createAgents } from "../origin/agents.ts";
import { isConnectFailure, originFault } from "../origin/faults.ts";
import { type ParentProxy, type ParentTable, type Route, unauthorizedAt } from "../origin/parents.ts";
import { checkResponseHead } from "../origin/response-head.ts";
import type { Connect } from "../origin/secure.ts";
import type { ProxySettings } from "../settings.ts";

/**
 * Hands requests with content, and those of other methods than GET and HEAD, to their origin; bodies stream both ways,
 * nothing is stored.
 */
export interface Forwarder {
  /** @throws LarderError of source `origin`, also for an answer that breaks off. */
  forward(reply: Reply, view: RequestView, reason: "method" | "bypass"): Promise<void>;
  close(): void;
}

export interface ForwarderDependencies {
  readonly connect: Connect;
  readonly connectToParents: Connect;
  readonly parents: ParentTable;
  /** Called for `GET <target URI>` of whatever an unsafe request has changed (RFC 9111 §4.4). */
  readonly invalidate: (key: string) => void;
}

/**
 * http-proxy behind one wrapper that cures what it does wrong: it rewrites paths and forwards hop-by-hop fields (so
 * path and fields are set from ours before the first byte), pipes a cut body to a clean end and reads on when the
 * client has left (so the response is handled here). The request body waits at a gate until path and fields are right;
 * what the origin does not take of it is read away, so that the client gets to its answer.
 */
export class HttpForwarder implements Forwarder {
  readonly #deps: ForwarderDependencies;
  readonly #settings: ProxySettings;
  readonly #agents: Readonly<Record<Scheme, Agent>>;
  readonly #parentAgents: Readonly<Record<Scheme, Agent>>;
  readonly #waiting = new WeakMap<IncomingMessage, ForwardHooks>();
  #started: Promise<httpProxy> | undefined;

  constructor(dependencies: ForwarderDependencies, settings: ProxySettings) {
    this.#deps = dependencies;
    this.#settings = settings;
    this.#agents = createAgents(dependencies.connect);
    this.#parentAgents = createAgents(dependencies.connectToParents);
  }

  async forward(reply: Reply, view: RequestView, reason: "method" | "bypass"): Promise<void> {
    if (isForwardedNoMore(view)) return answerAsLast(reply, view);
    reply.record.cacheStatus = { fwd: reason };
    const incoming = await this.#send(reply, view);
    const head = { status: incoming.statusCode ?? 502, fields: incoming.rawHeaders };
    checkAnswer(incoming, head, view);
    reply.record.cacheStatus = { fwd: reason, fwdStatus: head.status };
    invalidate(this.#deps.invalidate, view, head);
    await servePass(reply, { head, body: incoming, trailers: () => incoming.rawTrailers });
  }

  close(): void {
    for (const agents of [this.#agents, this.#parentAgents]) for (const agent of Object.values(agents)) agent.destroy();
  }

  /**
   * Another way is tried only while nothing has been sent: what changes something is asked for once (RFC 9110 §9.2.2).
   */
  async #send(reply: Reply, view: RequestView): Promise<IncomingMessage> {
    const { target } = view;
    if (target.scheme === "https") return await this.#sendBy("direct", reply, view);
    const attempt = async (route: Route) => ({ route, incoming: await this.#sendBy(route, reply, view) });
    const { route, incoming } = await this.#deps.parents.reach("http", target, attempt);
    if (route !== "direct") checkParentStatus(route, incoming);
    return incoming;
  }

  async #sendBy(route: Route, reply: Reply, view: RequestView): Promise<IncomingMessage> {
    this.#started ??= startProxy(this.#waiting);
    const proxy = await this.#started;
    const { request, response } = reply;
    const { target } = view;
    const isDirect = route === "direct";
    const to = isDirect ? target : route;
    const gate = new PassThrough();
    let isSent = false;
    // With it http-proxy would send the head before we can set it right.
    delete request.headers.expect;
    return await new Promise((resolve, reject) => {
      this.#waiting.set(request, {
        onResponse: resolve,
        onRequest: (outgoing) => {
          isSent = true;
          this.#prepare(outgoing, { reply, view, route, gate });
          // Nobody asked for another protocol; without a listener node:http would drop the connection and say nothing.
          outgoing.once("upgrade", (_answer, socket: Duplex) => {
            socket.destroy();
            reject(new LarderError("ORIGIN_PROTOCOL", `${target.authority}: it switches protocols unasked`));
          });
        },
      });
      const options = {
        target: { protocol: `${to.scheme}:`, host: to.host, hostname: to.host, port: String(to.port) },
        agent: (isDirect ? this.#agents : this.#parentAgents)[to.scheme],
        buffer: gate,
      };
      proxy.web(request, response, options, (error) => {
        const fault = originFault(error, isDirect ? target.authority : `proxy ${route.origin}`);
        reject(isSent && isConnectFailure(fault) ? lostConnection(fault) : fault);
      });
    });
  }

  #prepare(outgoing: ClientRequest, { reply, view, route, gate }: Outgoing): void {
    const { request, response, pseudonym } = reply;
    const { target } = view;
    const { bodyTimeoutMs } = this.#settings;
    outgoing.maxHeadersCount = 0;
    outgoing.path = route === "direct" ? target.path : target.uri;
    setFields(outgoing, view, { pseudonym, route });
    outgoing.on("information", ({ statusCode, rawHeaders }) =>
      sendInterim(reply, { status: statusCode, fields: rawHeaders }),
    );
    response.once("close", () => outgoing.destroy());
    outgoing.setTimeout(bodyTimeoutMs, () => {
      const waitsForOrigin = request.complete || gate.writableNeedDrain;
      outgoing.destroy(waitsForOrigin ? silence(target, bodyTimeoutMs) : clientSilence(bodyTimeoutMs));
    });
    outgoing.once("close", () => request.unpipe(gate).resume());
    request.once("end", () => outgoing.addTrailers(trailersToPass(request.rawTrailers)));
    if (waitsForLeave(reply)) askForLeave(outgoing, reply);
    request.pipe(gate);
  }
}

/**
 * How long the origin may take to say 100 before its client is let send, as it would soon by itself (RFC 9110 §10.1.1).
 */
const LEAVE_PATIENCE_MS = 2_000;

/** HTTP/1.0 knows no such expectation. */
function waitsForLeave({ request }: Reply): boolean {
  return request.httpVersion !== "1.0" && fieldValue(request.rawHeaders, "expect")?.toLowerCase() === "100-continue";
}

/**
 * Asks the origin whether it wants the content, which its client has not sent yet: a 100 is passed back, and so is a
 * final answer, before any of the content has crossed the network. What the client sends unbidden goes on.
 */
function askForLeave(outgoing: ClientRequest, { response }: Reply): void {
  const giveLeave = (): void => {
    clearTimeout(patience);
    if (!response.headersSent && !response.destroyed) response.writeContinue();
  };
  const patience = setTimeout(giveLeave, LEAVE_PATIENCE_MS);
  const noLeave = (): void => clearTimeout(patience);
  outgoing.once("continue", giveLeave).once("response", noLeave).once("close", noLeave);
  outgoing.setHeader("Expect", "100-continue");
  outgoing.flushHeaders();
}

interface Outgoing {
  readonly reply: Reply;
  readonly view: RequestView;
  readonly route: Route;
  /** Behind it is what the origin takes of the request's body. */
  readonly gate: PassThrough;
}

/** Loaded with the first request that needs it: most runs only ever see GET and HEAD. */
async function startProxy(waiting: WeakMap<IncomingMessage, ForwardHooks>): Promise<httpProxy> {
  const { default: library } = await import("http-proxy");
  const proxy = library.createProxyServer({ secure: true, selfHandleResponse: true });
  proxy.on("proxyReq", (outgoing, request) => waiting.get(request)?.onRequest(outgoing));
  proxy.on("proxyRes", (incoming, request) => waiting.get(request)?.onResponse(incoming));
  // Errors reach the callback of `web`; without a listener http-proxy would throw those that come later.
  proxy.on("error", () => undefined);
  return proxy;
}

function checkAnswer(incoming: IncomingMessage, head: ResponseHead, { target }: RequestView): void {
  try {
    checkResponseHead(head, target.authority);
  } catch (error) {
    incoming.destroy();
    throw error;
  }
}

function checkParentStatus(parent: ParentProxy, incoming: IncomingMessage): void {
  if (incoming.statusCode !== 407) return;
  incoming.destroy();
  throw unauthorizedAt(parent);
}

/**
 * A TRACE would show what the proxies before this one have added, and is not answered.
 * @throws LarderError `METHOD_NOT_ALLOWED`
 */
function answerAsLast(reply: Reply, { method }: RequestView): void {
  if (method !== "OPTIONS") throw new LarderError("METHOD_NOT_ALLOWED", "larder answers no TRACE itself");
  sendWhole(reply, 204, ["Cache-Control", "no-store"], Buffer.alloc(0));
}

/** The system says of a connection that dies what it says of one that never came to be. */
function lostConnection({ message, cause }: LarderError): LarderError {
  return new LarderError("ORIGIN_RESET", message, { cause });
}

function silence({ authority }: TargetUri, afterMs: number): LarderError {
  return new LarderError("ORIGIN_HEADERS_TIMEOUT", `${authority} was silent for ${afterMs} ms`);
}

function clientSilence(afterMs: number): LarderError {
  return new LarderError("REQUEST_TIMEOUT", `nothing of the request's content came for ${afterMs} ms`);
}

interface ForwardHooks {
  onRequest(outgoing: ClientRequest): void;
  onResponse(incoming: IncomingMessage): void;
}

const EXPECT: ReadonlySet<string> = new Set(["expect"]);

/** Replaces what http-proxy made of the fields by ours; the framing stays as the client chose it. */
export function setFields(
  outgoing: ClientRequest,
  view: RequestView,
  { pseudonym, route }: { readonly pseudonym: string; readonly route: Route },
): void {
  for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name);
  const fields = fieldsToOrigin(view, { pseudonym, coding: "asked", whole: false });
  eachField(withoutFields(fields, EXPECT), (_name, value, line) => outgoing.appendHeader(line, value));
  if (route !== "direct" && route.authorization !== undefined)
    outgoing.setHeader("Proxy-Authorization", route.authorization);
  // Read from the lines as they came: http-proxy changes the parsed ones of a DELETE.
  if (fieldValue(view.fields, "transfer-encoding") !== undefined) outgoing.setHeader("Transfer-Encoding", "chunked");
  else if (fieldValue(view.fields, "content-length") === undefined) outgoing.useChunkedEncodingByDefault = false;
}

/** RFC 9110 §9.2.1. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * RFC 9111 §4.4: a success of an unsafe method makes what is stored of the target, and of what it names beside it,
 * invalid.
 */
function invalidate(forget: (key: string) => void, { method, target }: RequestView, head: ResponseHead): void {
  if (SAFE_METHODS.has(method) || head.status < 200 || head.status >= 400) return;
  forget(entryKeyOf("GET", target.uri));
  for (const name of ["location", "content-location"]) {
    const uri = sameOriginUri(fieldValue(head.fields, name), target);
    if (uri !== undefined) forget(entryKeyOf("GET", uri));
  }
}

function sameOriginUri(reference: string | undefined, base: TargetUri): string | undefined {
  if (reference === undefined || !URL.canParse(reference, base.uri)) return undefined;
  const { origin, pathname, search } = new URL(reference, base.uri);
  return origin === new URL(base.uri).origin ? makeTarget(base.scheme, base, pathname + search).uri : undefined;
}
