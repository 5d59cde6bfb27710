import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { dirname } from "node:path";
import type { TrustFiles } from "../../clients/environment.ts";
import { LarderError, toLarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { StoreUsage } from "../../storage/store.ts";
import type { Environment } from "../settings/directories.ts";
import type { Explanation } from "./explain.ts";
import { KeepingDesk } from "./keeping-desk.ts";
import { controlSocketPaths, makePrivateFolder } from "./path.ts";
import type { Session, Sessions } from "./sessions.ts";
import type { StatusReport } from "./status-report.ts";
import type { StoreCare } from "./store-care.ts";

/** Longer than any answer takes; an asker that does not read must not keep larder from ending. */
const ANSWER_MS = 1000;

/** What other commands may ask of a running larder. */
export interface ControlService {
  readonly sessions: Sessions;
  readonly trust: TrustFiles;
  status(): StatusReport;
  usage(): StoreUsage;
  readonly care: StoreCare;
  /** @throws LarderError for a target that is none */
  why(uri: string): Explanation;
}

/** What the asker of a session is told first; the answer then stays open for as long as the session does. */
export interface SessionOpened extends TrustFiles {
  readonly id: string;
  readonly proxyUrl: string;
  readonly guestUrl?: string | undefined;
}

export interface ControlServer {
  /** Ends every session, finishes the answers under way and removes the socket. */
  close(): Promise<void>;
}

interface ControlOptions {
  readonly rootDir: string;
  readonly env: Environment;
  readonly service: ControlService;
  readonly log: Log;
}

/**
 * Answers other commands over a unix socket that only this user can reach:
 *
 *     GET /status   GET /store/usage   GET /why?uri=
 *     GET /packages            where guests come in that are to reach packages and nothing else; opened when it is first asked for
 *     POST /store/<verb>       has the store cared for: see KeepingDesk
 *     POST /sessions?name=&profile=&guestAddress=&guestNetwork=
 *                              one line of JSON (SessionOpened), then silence until the session ends; when the asker
 *                              goes away, the session ends, so that a killed command leaves no listener behind
 *     DELETE /sessions/<id>    ends it; the answer is the Receipt
 *
 * The caller holds the lock of the store, so a socket that is already there is a dead one's and is replaced.
 * @throws LarderError `LISTEN_FAILED` when no private folder can be had.
 */
export async function startControlServer({ rootDir, env, service, log }: ControlOptions): Promise<ControlServer> {
  const socketPath = controlSocketPaths(rootDir, env).find((path) => makePrivateFolder(dirname(path)));
  if (socketPath === undefined)
    throw new LarderError(
      "LISTEN_FAILED",
      "no private folder for the control socket; set XDG_RUNTIME_DIR to one of yours",
    );
  rmSync(socketPath, { force: true });
  const desk = new KeepingDesk(service.care);
  // An order stays open for as long as the work takes.
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    answer({ service, desk, log }, request, response).catch((error: unknown) => {
      const { code, message, status } = toLarderError(error);
      if (response.headersSent) response.destroy();
      else sendJson(response, { code, message }, status);
    });
  });
  await new Promise<void>((listening, failed) => {
    server.once("error", (cause: Error) => {
      failed(new LarderError("LISTEN_FAILED", `control socket ${socketPath}: ${cause.message}`, { cause }));
    });
    server.listen(socketPath, listening);
  });
  chmodSync(socketPath, 0o600);
  return { close: () => close(server, service.sessions, desk) };
}

/** Answers under way are the receipts of sessions that have just ended: they go out before the connections do. */
async function close(server: Server, sessions: Sessions, desk: KeepingDesk): Promise<void> {
  await Promise.all([sessions.close(), desk.close()]);
  const cut = setTimeout(() => server.closeAllConnections(), ANSWER_MS);
  await new Promise<void>((closed) => {
    server.close(() => closed());
  });
  clearTimeout(cut);
}

interface Answering {
  readonly service: ControlService;
  readonly desk: KeepingDesk;
  readonly log: Log;
}

async function answer(
  { service, desk, log }: Answering,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://larder");
  const verb = request.method === "POST" ? /^\/store\/([^/]+)$/.exec(pathname)?.[1] : undefined;
  if (verb !== undefined) return desk.take(verb, request, response);
  const sessionId = /^\/sessions\/([^/]+)$/.exec(pathname)?.[1];
  switch (sessionId === undefined ? `${request.method} ${pathname}` : `${request.method} a session`) {
    case "GET /status":
      return sendJson(response, service.status());
    case "GET /store/usage":
      return sendJson(response, service.usage());
    case "GET /packages":
      return sendJson(response, await service.sessions.packagesUrl());
    case "GET /why":
      return sendJson(response, service.why(searchParams.get("uri") ?? ""));
    case "POST /sessions":
      return holdSession(await openSession(service.sessions, searchParams), service.trust, response, log);
    case "DELETE a session":
      return sendJson(response, await service.sessions.get(sessionId ?? "").end());
    default:
      throw new LarderError("NOT_FOUND", `nothing answers ${request.method} ${pathname}`);
  }
}

function openSession(sessions: Sessions, asked: URLSearchParams): Promise<Session> {
  const [address, network] = [asked.get("guestAddress"), asked.get("guestNetwork")];
  return sessions.open(asked.get("name") ?? "", {
    guests: address === null || network === null ? undefined : { address, network },
    profile: asked.get("profile") === "packages" ? "packages" : "everything",
  });
}

function holdSession(session: Session, trust: TrustFiles, response: ServerResponse, log: Log): void {
  const end = () => {
    session.end().catch((error: unknown) => {
      log.error({ session: session.id, err: error }, "a session could not be ended");
    });
  };
  if (response.destroyed) end();
  else response.once("close", end);
  void session.ended.then(() => response.end());
  const { id, proxyUrl, guestUrl } = session;
  const opened: SessionOpened = { id, proxyUrl, ...(guestUrl === undefined ? {} : { guestUrl }), ...trust };
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.write(`${JSON.stringify(opened)}\n`);
}

function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
