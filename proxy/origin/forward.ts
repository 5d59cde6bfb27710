import type { ClientRequest, IncomingMessage } from "node:http";
import { type Duplex, PassThrough } from "node:stream";
import type httpProxy from "http-proxy";
import { entryKeyOf } from "../../core/entry.ts";
import { LarderError } from "../../core/errors.ts";
import { eachField, fieldValue, withoutFields } from "../../core/fields.ts";
import { makeTarget, type TargetUri } from "../../core/target.ts";
import { fieldsToOrigin, trailersToPass } from "../../policy/forwarding.ts";
import type { RequestView, ResponseHead } from "../../policy/plan.ts";
import { type Reply, sendInterim } from "../exchange/reply.ts";
import { servePass } from "../exchange/respond.ts";
import type { ProxySettings } from "../settings.ts";
import { createAgents } from "./agents.ts";
import type { Connect } from "./connect.ts";
import { originFault } from "./faults.ts";
import type { ParentProxy } from "./parents.ts";
import { checkResponseHead } from "./response-head.ts";

/** Hands requests with content, and those of other methods than GET and HEAD, to their origin; bodies stream both ways, nothing is stored. */
export interface Forwarder {
  /** @throws LarderError of source `origin`, also for an answer that breaks off. */
  forward(reply: Reply, view: RequestView, reason: "method" | "bypass"): Promise<void>;
  close(): void;
}

export interface ForwarderDependencies {
  readonly connect: Connect;
  readonly connectToParents: Connect;
  readonly findParent: (target: TargetUri) => ParentProxy | undefined;
  /** Called for `GET <target URI>` of whatever an unsafe request has changed (RFC 9111 §4.4). */
  readonly invalidate: (key: string) => void;
}

/**
 * http-proxy behind one wrapper that cures what it does wrong: it rewrites paths and forwards hop-by-hop fields (so path and
 * fields are set from ours before the first byte), pipes a cut body to a clean end and reads on when the client has left (so
 * the response is handled here). The request body waits at a gate until path and fields are right; what the origin does not
 * take of it is read away, so that the client gets to its answer.
 */
export function createForwarder(dependencies: ForwarderDependencies, settings: ProxySettings): Forwarder {
  const agents = createAgents(dependencies.connect);
  const parentAgents = createAgents(dependencies.connectToParents);
  const waiting = new WeakMap<IncomingMessage, ForwardHooks>();
  let started: Promise<httpProxy> | undefined;

  const send = async (reply: Reply, view: RequestView): Promise<IncomingMessage> => {
    started ??= startProxy(waiting);
    const proxy = await started;
    const { request, response } = reply;
    const { target } = view;
    const parent = target.scheme === "http" ? dependencies.findParent(target) : undefined;
    const to = parent ?? target;
    const gate = new PassThrough();
    // The client has been told to continue (node:http did); http-proxy would send the head before we can set it right.
    delete request.headers.expect;
    return await new Promise((resolve, reject) => {
      const hooks: ForwardHooks = {
        onResponse: resolve,
        onRequest: (outgoing) => {
          outgoing.maxHeadersCount = 0;
          outgoing.path = parent === undefined ? target.path : target.uri;
          setFields(outgoing, view, reply, parent);
          outgoing.on("information", ({ statusCode, rawHeaders }) =>
            sendInterim(reply, { status: statusCode, fields: rawHeaders }),
          );
          response.once("close", () => outgoing.destroy());
          outgoing.setTimeout(settings.bodyTimeoutMs, () => {
            const waitsForOrigin = request.complete || gate.writableNeedDrain;
            outgoing.destroy(
              waitsForOrigin ? silence(target, settings.bodyTimeoutMs) : clientSilence(settings.bodyTimeoutMs),
            );
          });
          outgoing.once("close", () => request.unpipe(gate).resume());
          // Nobody asked for another protocol; without a listener node:http would drop the connection and say nothing.
          outgoing.once("upgrade", (_answer, socket: Duplex) => {
            socket.destroy();
            reject(new LarderError("ORIGIN_PROTOCOL", `${target.authority}: it switches protocols unasked`));
          });
          request.once("end", () => outgoing.addTrailers(trailersToPass(request.rawTrailers)));
          request.pipe(gate);
        },
      };
      waiting.set(request, hooks);
      const options = {
        target: { protocol: `${to.scheme}:`, host: to.host, hostname: to.host, port: String(to.port) },
        agent: (parent === undefined ? agents : parentAgents)[to.scheme],
        buffer: gate,
      };
      proxy.web(request, response, options, (error) => reject(originFault(error, target.authority)));
    });
  };

  return {
    async forward(reply, view, reason) {
      reply.record.cacheStatus = { fwd: reason };
      const incoming = await send(reply, view);
      const head = { status: incoming.statusCode ?? 502, fields: incoming.rawHeaders };
      checkAnswer(incoming, head, view);
      reply.record.cacheStatus = { fwd: reason, fwdStatus: head.status };
      invalidate(dependencies.invalidate, view, head);
      await servePass(reply, { head, body: incoming, trailers: () => incoming.rawTrailers });
    },
    close: () => {
      for (const agent of [agents, parentAgents].flatMap(({ http, https }) => [http, https])) agent.destroy();
    },
  };
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
  reply: Reply,
  parent: ParentProxy | undefined,
): void {
  for (const name of outgoing.getHeaderNames()) outgoing.removeHeader(name);
  const fields = fieldsToOrigin(view, { pseudonym: reply.pseudonym, coding: "asked", whole: false });
  eachField(withoutFields(fields, EXPECT), (_name, value, line) => outgoing.appendHeader(line, value));
  if (parent?.authorization !== undefined) outgoing.setHeader("Proxy-Authorization", parent.authorization);
  // Read from the lines as they came: http-proxy changes the parsed ones of a DELETE.
  if (fieldValue(view.fields, "transfer-encoding") !== undefined) outgoing.setHeader("Transfer-Encoding", "chunked");
  else if (fieldValue(view.fields, "content-length") === undefined) outgoing.useChunkedEncodingByDefault = false;
}

/** RFC 9110 §9.2.1. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** RFC 9111 §4.4: a success of an unsafe method makes what is stored of the target, and of what it names beside it, invalid. */
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
