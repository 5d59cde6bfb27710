import { lstatSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { json } from "node:stream/consumers";
import { LarderError } from "../../core/errors.ts";
import type { Receipt, StoreUsage } from "../../storage/store.ts";
import type { Environment } from "../settings/directories.ts";
import { answerTo, readFailure } from "./call.ts";
import type { Explanation } from "./explain.ts";
import { controlSocketPaths, isPrivateFolder } from "./path.ts";
import { remoteCare } from "./remote-care.ts";
import type { SessionOpened } from "./server.ts";
import type { SessionOptions } from "./sessions.ts";
import type { StatusReport } from "./status-report.ts";
import type { StoreCare } from "./store-care.ts";

/** A session in the running larder. */
export interface RemoteSession extends SessionOpened {
  /** Resolves when larder has gone before the session was ended or dropped. */
  readonly gone: Promise<void>;
  /** @throws LarderError `NOT_RUNNING` when larder has gone meanwhile */
  end(): Promise<Receipt>;
  /** Lets the session end without a receipt, if it has not ended yet. */
  drop(): void;
}

/** The running larder of one store, as other commands see it. */
export interface ControlClient {
  status(): Promise<StatusReport>;
  usage(): Promise<StoreUsage>;
  /** Has the store cared for by the one that writes it. */
  readonly care: StoreCare;
  why(uri: string): Promise<Explanation>;
  /** Where guests come in that are to reach packages and nothing else. */
  packagesUrl(): Promise<string>;
  /** The session ends with this process at the latest. */
  openSession(name: string, options?: SessionOptions): Promise<RemoteSession>;
}

/** Far longer than a busy one takes: one that was stopped (SIGSTOP, a debugger) must not hold its callers for ever. */
const PATIENCE_MS = 10_000;

/**
 * Finds the larder that runs on this store. @returns `undefined` when none does.
 * @throws LarderError `STORE_LOCKED` when one is there and does not answer
 */
export async function findRunning(rootDir: string, env: Environment): Promise<ControlClient | undefined> {
  for (const socketPath of controlSocketPaths(rootDir, env)) {
    const isSocket = lstatSync(socketPath, { throwIfNoEntry: false })?.isSocket() === true;
    if (!isSocket || !isPrivateFolder(dirname(socketPath))) continue;
    if (await isAnswering(socketPath)) return clientOf(socketPath);
  }
  return undefined;
}

async function isAnswering(socketPath: string): Promise<boolean> {
  const deadline = AbortSignal.timeout(PATIENCE_MS);
  try {
    await readAnswer(await send(socketPath, "GET", "/status", deadline));
    return true;
  } catch (cause) {
    if (!deadline.aborted) return isGone(cause);
    const says = `the larder behind ${socketPath} has not answered for ${PATIENCE_MS / 1000} s`;
    throw new LarderError("STORE_LOCKED", `${says}; let it go on if it was stopped, or end it`, { cause });
  }
}

/** A socket that nobody answers belonged to a larder that was killed. */
function isGone(error: unknown): false {
  if (error instanceof LarderError && error.code === "NOT_RUNNING") return false;
  throw error;
}

function clientOf(socketPath: string): ControlClient {
  const get = async (path: string) => readAnswer(await send(socketPath, "GET", path));
  // Both ends are the same program: what comes over this socket is what control-server.ts typed.
  return {
    status: async () => (await get("/status")) as StatusReport,
    usage: async () => (await get("/store/usage")) as StoreUsage,
    care: remoteCare(socketPath),
    why: async (uri) => (await get(`/why?${new URLSearchParams({ uri })}`)) as Explanation,
    packagesUrl: async () => (await get("/packages")) as string,
    openSession: (name, options = {}) => openSession(socketPath, name, options),
  };
}

async function openSession(
  socketPath: string,
  name: string,
  { guests, profile = "everything" }: SessionOptions,
): Promise<RemoteSession> {
  const invited = guests === undefined ? {} : { guestAddress: guests.address, guestNetwork: guests.network };
  const held = await send(socketPath, "POST", `/sessions?${new URLSearchParams({ name, profile, ...invited })}`);
  if (held.statusCode !== 200) throw await readFailure(held);
  // An answer that is cut later means that larder has gone: `end` will say so.
  held.on("error", () => undefined);
  const opened = await firstLine(held);
  let isOver = false;
  const gone = new Promise<void>((resolve) => held.once("close", () => isOver || resolve()));
  return {
    ...opened,
    gone,
    end: async () => {
      isOver = true;
      return (await readAnswer(await send(socketPath, "DELETE", `/sessions/${opened.id}`))) as Receipt;
    },
    drop: () => {
      isOver = true;
      held.destroy();
    },
  };
}

async function firstLine(held: IncomingMessage): Promise<SessionOpened> {
  const lines = createInterface({ input: held });
  // Left behind, it still hands on what goes wrong with its input: of a larder that was killed, a connection that was
  // cut.
  lines.on("error", () => undefined);
  for await (const line of lines) {
    // The line reader paused it as it left; flowing, it notices its end and lets this process go.
    held.resume();
    return JSON.parse(line) as SessionOpened;
  }
  throw new LarderError("NOT_RUNNING", "the running larder ended before the session began");
}

function send(socketPath: string, method: string, path: string, signal?: AbortSignal): Promise<IncomingMessage> {
  const sent = request({ socketPath, method, path, agent: false, ...(signal === undefined ? {} : { signal }) });
  sent.end();
  return answerTo(sent, socketPath);
}

async function readAnswer(response: IncomingMessage): Promise<unknown> {
  if (response.statusCode !== 200) throw await readFailure(response);
  return json(response);
}
