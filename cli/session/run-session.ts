import { setTimeout as delay } from "node:timers/promises";
import type { TrustFiles } from "../../clients/environment.ts";
import { systemClock } from "../../core/clock.ts";
import { LarderError } from "../../core/errors.ts";
import type { Receipt } from "../../storage/store.ts";
import { findRunning } from "../control/client.ts";
import { startControlServer } from "../control/server.ts";
import type { SessionOptions } from "../control/sessions.ts";
import { note } from "../line/output.ts";
import { createLog } from "../serving/log.ts";
import type { Config } from "../settings/config.ts";
import type { Environment } from "../settings/directories.ts";
import type { LogLevel } from "../settings/readers.ts";

/** Two that start or end at the same moment see a locked store and no control socket for an instant. */
const TRIES = 50;
const RETRY_MS = 100;

/** The proxy as one command sees it. */
export interface RunSession {
  readonly proxyUrl: string;
  /** Where the guests that it was opened for reach it. */
  readonly guestUrl?: string | undefined;
  readonly trust: TrustFiles;
  /** Whether the proxy is another process's, with settings of its own. */
  readonly isJoined: boolean;
  /** @throws LarderError `NOT_RUNNING` when that process has gone */
  end(): Promise<Receipt>;
  /** Ends the session, and a proxy of our own once other commands that have joined it are done. */
  close(): Promise<void>;
}

export interface AskedSession extends SessionOptions {
  readonly name: string;
}

/** Joins the proxy that runs on this store, or starts one in this process. @throws LarderError */
export async function joinOrStart(config: Config, env: Environment, asked: AskedSession): Promise<RunSession> {
  for (let tries = 1; ; tries += 1) {
    const joined = await join(config, env, asked);
    if (joined !== undefined) return joined;
    try {
      return await start(config, env, asked);
    } catch (error) {
      if (!(error instanceof LarderError) || error.code !== "STORE_LOCKED" || tries === TRIES) throw error;
    }
    await delay(RETRY_MS);
  }
}

async function join(
  { settings }: Config,
  env: Environment,
  { name, ...options }: AskedSession,
): Promise<RunSession | undefined> {
  try {
    const session = await (await findRunning(settings.root, env))?.openSession(name, options);
    if (session === undefined) return undefined;
    const { proxyUrl, guestUrl, caFile, bundleFile, gone, end, drop } = session;
    void gone.then(() =>
      note(`the larder at ${proxyUrl} has gone: what the command asks for from now on is not answered`),
    );
    return { proxyUrl, guestUrl, trust: { caFile, bundleFile }, isJoined: true, end, close: async () => drop() };
  } catch (error) {
    // It was about to end; its lock will be free in a moment.
    if (error instanceof LarderError && error.code === "NOT_RUNNING") return undefined;
    throw error;
  }
}

async function start(config: Config, env: Environment, { name, ...options }: AskedSession): Promise<RunSession> {
  const { wire } = await import("../serving/wire.ts");
  const log = createLog(quietLevel(config));
  const larder = await wire({ config, env, log, clock: systemClock });
  try {
    // Other commands on this store cannot take its lock meanwhile: they join.
    const control = await startControlServer({ rootDir: config.settings.root, env, service: larder, log });
    const { proxyUrl, guestUrl, end } = await larder.sessions.open(name, options);
    const close = async () => {
      await end();
      if (larder.sessions.list().length > 0) note("waiting for other commands that use this proxy");
      await larder.sessions.whenNone();
      await control.close();
      await larder.close({ drainMs: 0 });
    };
    return { proxyUrl, guestUrl, trust: larder.trust, isJoined: false, end, close };
  } catch (error) {
    await larder.close({ drainMs: 0 });
    throw error;
  }
}

/** stderr belongs to the command; what it does not need to know stays unsaid, unless a level was asked for. */
function quietLevel({ settings, origins }: Config): LogLevel {
  return origins.logLevel.from === "default" ? "warn" : settings.logLevel;
}
