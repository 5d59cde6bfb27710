import { fstatSync } from "node:fs";
import { LarderError, toLarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import { dialFirst } from "../../reach/dial-first.ts";
import { type DialProxy, forward, openGateway } from "../../reach/gateway.ts";
import { createLocalLink } from "../../reach/local-link/questions.ts";
import { systemNames } from "../../reach/names.ts";
import { readOverride } from "../../reach/override.ts";
import { parsePlace, parsePlaces, USUAL_PORT } from "../../reach/place.ts";
import { connectionOf } from "../../reach/stdio.ts";
import { findRunning } from "../control/client.ts";
import type { Invocation } from "../line/invocation.ts";
import { note, print } from "../line/output.ts";
import { describeFailure, EXIT } from "../line/usage.ts";
import { createLog } from "../serving/log.ts";
import { loadConfig } from "../settings/config.ts";
import { readListen } from "../settings/readers.ts";

/** How long one place may take to answer before the next is tried. */
const PATIENCE_MS = 1_000;
/** How often a gateway looks whether the process that started it is still there. */
const PARENT_CHECK_MS = 500;
const USUAL_PLACE: HostPort = { host: "127.0.0.1", port: USUAL_PORT };

/** `larder gateway`: forwards connections to wherever the proxy is, until a signal comes or its parent has gone. */
export async function gateway(invocation: Invocation): Promise<number> {
  const { stdio, listen, packages, to } = invocation.flags;
  if (packages === true && to !== undefined)
    throw new LarderError("USAGE", "--packages is a way into the larder of this store; leave out --to");
  if (stdio === true) {
    if (listen !== undefined) throw new LarderError("USAGE", "--stdio has no address to listen on; leave out --listen");
    return forwardStdio(dialerOf(invocation, noteBesideStdout));
  }
  const log = createLog("info");
  const place = listen === undefined ? USUAL_PLACE : readListen(String(listen));
  if (place === undefined)
    throw new LarderError("USAGE", `--listen ${listen} is no address; write one such as 127.0.0.1:3142 or [::1]:0`);
  // Before anybody can know of it: who starts it may be gone as soon as it says where it listens.
  const end = ended();
  const dialProxy = dialerOf(invocation, ({ code, message }) =>
    log.warn({ code, reason: message }, "the override file was left out"),
  );
  const opened = await openGateway(place, dialProxy, log);
  print(`larder gateway listening on ${formatAuthority({ ...place, port: opened.port })}`);
  log.info({ because: await end }, "stopping");
  await opened.close();
  return EXIT.ok;
}

async function forwardStdio(dialProxy: DialProxy): Promise<number> {
  const client = connectionOf(process.stdin, process.stdout);
  client.on("error", () => undefined);
  try {
    await forward(client, dialProxy);
    return client.readableEnded && client.writableFinished ? EXIT.ok : EXIT.fault;
  } catch (error) {
    // An open stdin would keep the process.
    client.destroy();
    if (isWhereStdoutIs(process.stderr.fd)) return EXIT.fault;
    throw error;
  }
}

/**
 * QEMU hands its guest's connection over as stderr, too: a word of ours there would be taken for the proxy's answer.
 */
function isWhereStdoutIs(fd: number): boolean {
  const [one, other] = [fstatSync(fd), fstatSync(process.stdout.fd)];
  return one.ino === other.ino && one.dev === other.dev;
}

function noteBesideStdout(fault: LarderError): void {
  if (!isWhereStdoutIs(process.stderr.fd)) note(describeFailure(fault).line);
}

/**
 * Asked anew for each connection: the file may have changed, the proxy moved, a name another address.
 * @param onBadOverride hears of a file that makes no sense; it counts as empty then, for it may just be written anew.
 */
function dialerOf(invocation: Invocation, onBadOverride: (fault: LarderError) => void): DialProxy {
  const { to, overrideFile } = invocation.flags;
  const named = typeof to === "string" ? parsePlaces(to) : undefined;
  const names = systemNames(createLocalLink());
  const leftOut = (error: unknown): readonly HostPort[] => {
    onBadOverride(toLarderError(error));
    return [];
  };
  return async () => {
    const first = typeof overrideFile === "string" ? await readOverride(overrideFile).catch(leftOut) : [];
    const rest = named ?? (await placesOfOwn(invocation));
    return dialFirst([...first, ...rest], { timeoutMs: PATIENCE_MS, names });
  };
}

/** Where the larder of this store listens now. */
async function placesOfOwn(invocation: Invocation): Promise<readonly HostPort[]> {
  const { root } = loadConfig(invocation).settings;
  const running = await findRunning(root, invocation.env);
  if (running === undefined) return [];
  const urls =
    invocation.flags["packages"] === true ? [await running.packagesUrl()] : (await running.status()).listening;
  return urls.map(parsePlace);
}

/** Resolves when it is time to end. */
function ended(): Promise<string> {
  const parent = process.ppid;
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, () => resolve(signal));
    setInterval(() => {
      if (process.ppid !== parent) resolve("the process that started it has gone");
    }, PARENT_CHECK_MS).unref();
  });
}
