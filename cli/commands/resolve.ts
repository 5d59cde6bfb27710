import { spawn } from "node:child_process";
import { once } from "node:events";
import { LarderError } from "../../core/errors.ts";
import { silentLog } from "../../core/log.ts";
import { formatAuthority } from "../../core/target.ts";
import { createLocalLink } from "../../reach/local-link/questions.ts";
import { systemNames } from "../../reach/names.ts";
import { describeNetwork, networkChange } from "../../reach/network-watch.ts";
import { probe } from "../../reach/probe.ts";
import { type Resolution, resolveCache } from "../../reach/resolve.ts";
import { sourcesOf } from "../../reach/sources.ts";
import { ResolverFolder } from "../env/resolver-folder.ts";
import type { Invocation } from "../line/invocation.ts";
import { note, print, printJson, tabulate } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";

import { notifyServiceManager } from "../serving/service-manager.ts";
import type { Environment } from "../settings/directories.ts";
import { readDuration } from "../settings/readers.ts";

const USUAL_FOLDER = "/run/cache-resolver";
const USUAL_NAME = "larder";
/** The variable that names the cache, for who can set no file. */
const VARIABLE = "CACHE_RESOLVER_PLACE";
const USUAL_DEADLINE_MS = 5_000;
const MAX_DEADLINE_MS = 10_000;
const ROUTE_FILES = ["/proc/net/route", "/proc/net/ipv6_route"] as const;
/** How often it looks again while nothing has changed here; sooner at first where there is no cache. */
const MAX_INTERVAL_MS = 60_000;
const FIRST_LOST_INTERVAL_MS = 5_000;
/** How often it looks whether this machine has another network now. */
const NETWORK_CHECK_MS = 2_000;
/** What `--on-change` may take: a command that hangs must not end the search. */
const ON_CHANGE_MS = 10_000;

interface ResolveFlags {
  readonly name: string;
  readonly deadlineMs: number;
  readonly overrideFile: string;
  readonly folder: ResolverFolder;
  readonly onChange: string | undefined;
  readonly isWatching: boolean;
  readonly isExplained: boolean;
  readonly isJson: boolean;
}

/** `larder resolve`: finds the cache and says so in files; not to find one is no failure, for the fallback holds. */
export async function resolve(invocation: Invocation): Promise<number> {
  const flags = readFlags(invocation);
  flags.folder.writeFallback();
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, () => stop.abort());
  const { env } = invocation;
  for (let [isFirst, looksWithout] = [true, 0]; !stop.signal.aborted; isFirst = false) {
    const since = await describeNetwork(filesOf(flags));
    const resolution = await look(env, flags, stop.signal);
    if (stop.signal.aborted) break;
    const hasChanged = flags.folder.write(resolution.found);
    if (isFirst || hasChanged || flags.isExplained || flags.isJson) tell(resolution, flags);
    // After the first look, so that what is ordered behind it reads what it found. Saying it again does no harm.
    if (flags.isWatching) notifyServiceManager("READY=1", env, silentLog);
    if (hasChanged && flags.onChange !== undefined) await runOnChange(flags.onChange);
    if (!flags.isWatching) break;
    looksWithout = resolution.found === undefined ? looksWithout + 1 : 0;
    const withinMs = patienceMs(looksWithout);
    await networkChange({ since, files: filesOf(flags), everyMs: NETWORK_CHECK_MS, withinMs, signal: stop.signal });
  }
  return EXIT.ok;
}

/** What tells of another network, beside the machine's addresses. */
function filesOf({ overrideFile }: ResolveFlags): readonly string[] {
  return [...ROUTE_FILES, "/etc/resolv.conf", overrideFile];
}

/** How long until the next look. Each one without a cache doubles it, for every look asks the whole link. */
function patienceMs(looksWithout: number): number {
  return looksWithout === 0
    ? MAX_INTERVAL_MS
    : Math.min(FIRST_LOST_INTERVAL_MS * 2 ** (looksWithout - 1), MAX_INTERVAL_MS);
}

function look(env: Environment, flags: ResolveFlags, signal: AbortSignal): Promise<Resolution> {
  const { name, overrideFile, folder, deadlineMs } = flags;
  const localLink = createLocalLink();
  const names = systemNames(localLink);
  const sources = sourcesOf({
    name,
    overrideFile,
    environment: env[VARIABLE],
    routeFiles: ROUTE_FILES,
    lastKnown: folder.lastKnown(),
    names,
    localLink,
  });
  return resolveCache(sources, { deadlineMs, probe, now: () => performance.now(), signal });
}

function tell({ found, attempts }: Resolution, { isExplained, isJson }: ResolveFlags): void {
  if (isJson) printJson({ found: found ?? null, attempts });
  else if (isExplained)
    for (const line of tabulate(
      attempts.map(({ method, address, milliseconds, verdict }) => [method, address, `${milliseconds} ms`, verdict]),
    ))
      print(line);
  if (isJson) return;
  print(found === undefined ? "no cache; the public ones serve" : `${formatAuthority(found.place)} by ${found.method}`);
}

/** By a shell, as the user wrote it. That it fails, or does not end, is said, and no more. */
async function runOnChange(command: string): Promise<void> {
  const child = spawn("/bin/sh", ["-c", command], { stdio: ["ignore", "inherit", "inherit"], timeout: ON_CHANGE_MS });
  const [exitCode, signal] = await once(child, "exit");
  if (exitCode === 0) return;
  const reason = signal === null ? `exit ${exitCode}` : `${signal}, at most after ${ON_CHANGE_MS / 1000} s`;
  note(`--on-change failed (${reason}): ${command}`);
}

function readFlags({ flags }: Invocation): ResolveFlags {
  const { watch, once: isOnce } = flags;
  if ((watch === true) === (isOnce === true))
    throw new LarderError("USAGE", "say --once or --watch; see larder resolve --help");
  const text = (flag: string, fallback: string): string =>
    typeof flags[flag] === "string" ? (flags[flag] as string) : fallback;
  const name = text("name", USUAL_NAME);
  if (!/^[a-z0-9-]+$/i.test(name)) throw new LarderError("USAGE", `--name ${name}: letters, digits and - only`);
  const deadlineMs = readDuration(text("deadline", `${USUAL_DEADLINE_MS}ms`));
  if (deadlineMs === undefined || deadlineMs < 1 || deadlineMs > MAX_DEADLINE_MS)
    throw new LarderError("USAGE", "--deadline is a time such as 5s, ten seconds at most");
  const folderPath = text("stateDir", USUAL_FOLDER);
  return {
    name,
    deadlineMs,
    overrideFile: text("overrideFile", "/etc/larder/cache"),
    folder: new ResolverFolder(folderPath, name),
    onChange: typeof flags["onChange"] === "string" ? flags["onChange"] : undefined,
    isWatching: watch === true,
    isExplained: flags["explain"] === true,
    isJson: flags["json"] === true,
  };
}
