import type { ClientRequest, IncomingMessage } from "node:http";
import type net from "node:net";
import type { Duplex } from "node:stream";
import type httpProxy from "http-proxy";
import type { LarderError } from "../../core/errors.ts";
import { fieldValue } from "../../core/fields.ts";
import type { TargetUri } from "../../core/target.ts";
import type { RequestView } from "../../policy/plan.ts";
import { type Reply, sendError } from "../answer/reply.ts";
import { servePass } from "../answer/respond.ts";
import { agentOver } from "../origin/agents.ts";
import { originFault } from "../origin/faults.ts";
import type { ParentProxy, ParentTable, Route } from "../origin/parents.ts";
import { checkResponseHead } from "../origin/response-head.ts";
import type { Connect } from "../origin/secure.ts";
import type { ProxySettings } from "../settings.ts";
import { setFields } from "./forward.ts";

/** Hands requests to switch protocols (RFC 9110 §7.8), of WebSocket mostly, to their origin. */
export interface Upgrader {
  /**
   * Asks the origin; when it switches, joins both sides blindly until one ends, or both are silent for the idle time of tunnels.
   * Anything else that it answers, and a failure, is answered to the client.
   * @param head what the client sent behind its request
   * @returns once all is over
   * @throws LarderError when the origin is not to be reached
   */
  upgrade(reply: Reply, view: RequestView, head: Buffer): Promise<void>;
}

export interface UpgraderDependencies {
  readonly connect: Connect;
  readonly connectToParents: Connect;
  readonly parents: ParentTable;
}

/**
 * http-proxy's `ws` behind a wrapper that cures what it does wrong: it ends the process when the client resets while the
 * origin answers something else than 101 (both sockets have listeners before it is called), writes such an answer with
 * the framing of the origin around a body that has lost it (answered here instead), destroys what asks for another
 * protocol than WebSocket, and leaves one side open when the other is reset.
 */
export function createUpgrader(dependencies: UpgraderDependencies, settings: ProxySettings): Upgrader {
  const waiting = new WeakMap<IncomingMessage, (outgoing: ClientRequest) => void>();
  let started: Promise<httpProxy> | undefined;

  return {
    async upgrade(reply, view, head) {
      reply.record.cacheStatus = { fwd: "bypass", detail: "upgrade" };
      started ??= startProxy(waiting);
      const proxy = await started;
      const { request } = reply;
      const { socket } = request;
      const { target } = view;
      const isOver = closed(socket);
      const { route, upstream } = await connectTo(target, dependencies);
      if (!reply.isOpen()) return void upstream.destroy();
      waiting.set(request, (outgoing) => {
        outgoing.path = route === "direct" ? target.path : target.uri;
        setFields(outgoing, view, { pseudonym: reply.pseudonym, route });
        outgoing.setHeader("Connection", "Upgrade");
        outgoing.setHeader("Upgrade", fieldValue(view.fields, "upgrade") ?? "");
        outgoing.setTimeout(settings.headersTimeoutMs, () => outgoing.destroy());
        socket.once("close", () => outgoing.destroy());
        // By then http-proxy has put its own listener there, which is not to write a word.
        queueMicrotask(() => {
          outgoing.removeAllListeners("response").once("response", (incoming: IncomingMessage) => {
            answerInstead(reply, incoming, target);
          });
        });
        outgoing.once("upgrade", (incoming) => {
          outgoing.setTimeout(0);
          incoming.headers["via"] = `1.1 ${reply.pseudonym}`;
          reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus: 101 };
          tie(socket, upstream, settings.tunnelIdleMs);
        });
      });
      const options = {
        // What is spoken over the connection stands already, TLS included.
        target: { protocol: "http:", host: target.host, hostname: target.host, port: String(target.port) },
        agent: agentOver(upstream),
      };
      // http-proxy knows no other protocol, and destroys the connection; which one is asked for stands in the fields that go out.
      request.headers.upgrade = "websocket";
      // http-proxy ends the client's connection right behind this: the answer must stand before.
      proxy.ws(request, socket, head, options, (error) => fail(reply, originFault(error, target.authority)));
      await isOver;
    },
  };
}

interface Connected {
  readonly route: Route;
  readonly upstream: net.Socket;
}

async function connectTo(target: TargetUri, dependencies: UpgraderDependencies): Promise<Connected> {
  const { connect, connectToParents, parents } = dependencies;
  if (target.scheme === "https") return { route: "direct", upstream: await connect(target, true) };
  return await parents.reach("http", target, async (route) => {
    const isDirect = route === "direct";
    return { route, upstream: await (isDirect ? connect(target, false) : connectToParents(route, isTls(route))) };
  });
}

function isTls({ scheme }: ParentProxy): boolean {
  return scheme === "https";
}

async function startProxy(waiting: WeakMap<IncomingMessage, (outgoing: ClientRequest) => void>): Promise<httpProxy> {
  const { default: library } = await import("http-proxy");
  const proxy = library.createProxyServer({ secure: true });
  proxy.on("proxyReqWs", (outgoing, request) => waiting.get(request)?.(outgoing));
  proxy.on("error", () => undefined);
  return proxy;
}

/** After the switch nobody would understand an answer. */
function fail(reply: Reply, error: LarderError): void {
  if (reply.record.cacheStatus.fwdStatus === undefined) sendError(reply, error);
  else reply.request.socket.destroy();
}

/** The origin did not switch: its answer goes out as that of any other request. */
function answerInstead(reply: Reply, incoming: IncomingMessage, target: TargetUri): void {
  const head = { status: incoming.statusCode ?? 502, fields: incoming.rawHeaders };
  reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus: head.status };
  const send = async (): Promise<void> => {
    checkResponseHead(head, target.authority);
    await servePass(reply, { head, body: incoming });
  };
  send().catch((error: unknown) => {
    incoming.destroy();
    sendError(reply, originFault(error, target.authority));
  });
}

/**
 * One side that is gone, or both that are silent, end the other, whose last bytes still go out. A client's end alone is handed on
 * by http-proxy, and what the origin says then still arrives.
 */
function tie(client: net.Socket, upstream: net.Socket, idleMs: number): void {
  const destroyBoth = (): void => {
    client.destroy();
    upstream.destroy();
  };
  upstream.on("error", destroyBoth);
  upstream.once("close", () => client.destroySoon());
  client.once("close", () => upstream.destroy());
  upstream.setTimeout(idleMs, destroyBoth);
}

function closed(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}
