import { constants } from "node:os";
import { systemClock } from "../../core/clock.ts";
import { LarderError, systemCode } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { formatAuthority } from "../../core/target.ts";
import { parsePlace } from "../../reach/place.ts";
import { startControlServer } from "../control/server.ts";
import { loopbackFor, removeFragments, writeEnvironment } from "../env/fragments.ts";
import type { Invocation } from "../line/invocation.ts";
import { print } from "../line/output.ts";
import { EXIT, SIGNAL_EXIT_BASE } from "../line/usage.ts";
import type { Announcing } from "../serving/announcing.ts";
import { createLog } from "../serving/log.ts";
import { inheritedSockets, notifyServiceManager } from "../serving/service-manager.ts";
import { type Larder, wire } from "../serving/wire.ts";
import { type Config, loadConfig } from "../settings/config.ts";
import type { Environment } from "../settings/directories.ts";

/** `larder serve`: runs until the first signal, which lets running downloads finish; the second ends at once. */
export async function serve(invocation: Invocation): Promise<number> {
  const config = withInheritedSockets(loadConfig(invocation), invocation.env);
  const log = createLog(config.settings.logLevel);
  endOnUncaught(log);
  const stopped = firstSignal();
  const larder = await wire({ config, env: invocation.env, log, clock: systemClock });
  try {
    await serveUntil(stopped, { invocation, config, larder, log });
  } finally {
    await larder.close({ drainMs: config.settings.drainTimeout });
  }
  log.info({}, "stopped");
  return EXIT.ok;
}

interface Running {
  readonly invocation: Invocation;
  readonly config: Config;
  readonly larder: Larder;
  readonly log: Log;
}

async function serveUntil(
  stopped: Promise<NodeJS.Signals>,
  { invocation, config, larder, log }: Running,
): Promise<void> {
  const { root, baseImage } = config.settings;
  const urls = await listenAll(config, larder, log);
  const announcing = config.settings.announce ? await announceAll(urls, log) : undefined;
  const control = await startControlServer({ rootDir: root, env: invocation.env, service: larder, log });
  const forget = () => forgetEnvironment(root, log);
  process.once("exit", forget);
  try {
    writeEnvironment(root, { proxyUrl: loopbackFor(urls[0]), baseImage });
    // In one write: a reader that has seen the first line and leaves must not end the proxy by a closed pipe.
    print(urls.map((url) => `larder listening on ${url}`).join("\n"));
    notifyServiceManager("READY=1", invocation.env, log);
    larder.tend();
    log.info({ signal: await stopped, drainMs: config.settings.drainTimeout }, "stopping");
    notifyServiceManager("STOPPING=1", invocation.env, log);
  } finally {
    process.off("exit", forget);
    forget();
    await announcing?.close();
    await control.close();
  }
}

/** A disk that has become read-only keeps them; that is no reason not to end. */
function forgetEnvironment(root: string, log: Log): void {
  try {
    removeFragments(root);
  } catch (error) {
    log.warn({ code: systemCode(error), root }, "env.d still names this larder; `larder env remove` removes that");
  }
}

/** Loaded only where it is asked for. @throws LarderError `CONFIG_BAD_VALUE` where nobody else could come in */
async function announceAll(urls: readonly string[], log: Log): Promise<Announcing> {
  const { announce } = await import("../serving/announcing.ts");
  return announce(urls.map(parsePlace), log);
}

/** Sockets that a service manager has bound take the place of the addresses to listen on. */
function withInheritedSockets(config: Config, env: Environment): Config {
  const listen = inheritedSockets(env, process.pid);
  return listen.length === 0 ? config : { ...config, settings: { ...config.settings, listen } };
}

/** A machine without IPv6 has no `[::1]`; that is a fault only for those who asked for it. */
async function listenAll({ settings, origins }: Config, larder: Larder, log: Log): Promise<[string, ...string[]]> {
  const urls: string[] = [];
  for (const address of settings.listen) {
    try {
      urls.push(await larder.listen(address));
    } catch (error) {
      if (origins.listen.from !== "default" || !isAddressMissing(error)) throw error;
      log.warn({ address: formatAuthority(address) }, "this machine has no such address; larder does without it");
    }
  }
  const [first, ...others] = urls;
  if (first !== undefined) return [first, ...others];
  throw new LarderError("LISTEN_FAILED", "this machine has no loopback address; name one with --listen HOST:PORT");
}

function isAddressMissing(error: unknown): boolean {
  const reason = error instanceof LarderError ? systemCode(error.cause) : undefined;
  return reason === "EADDRNOTAVAIL" || reason === "EAFNOSUPPORT";
}

/** The first of these signals; from then on another one ends the process at once. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      process.on(signal, () => {
        if (isStopping) process.exit(SIGNAL_EXIT_BASE + constants.signals[signal]);
        isStopping = true;
        resolve(signal);
      });
    }
  });
}

/** After an error that nothing caught the state is unknown: say it and end, and let the service manager start anew. */
function endOnUncaught(log: Log): void {
  const end = (error: unknown) => {
    log.error({ err: error }, "larder ends because of an error that nothing caught");
    process.exit(EXIT.fault);
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
}
