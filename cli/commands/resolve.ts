import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { LarderError } from "../../core/errors.ts";
import { silentLog } from "../../core/log.ts";
import { formatAuthority } from "../../core/target.ts";
import { createLocalLink } from "../../reach/mdns.ts";
import { systemNames } from "../../reach/names.ts";
import { probe } from "../../reach/probe.ts";
import { type Resolution, resolveCache } from "../../reach/resolve.ts";
import { sourcesOf } from "../../reach/sources.ts";
import { ResolverFolder } from "../env/resolver-folder.ts";
import type { Invocation } from "../line/invocation.ts";
import { note, print, printJson, tabulate } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { notifyServiceManager } from "../serving/service-manager.ts";
import { readDuration } from "../settings/readers.ts";

const USUAL_FOLDER = "/run/cache-resolver";
const USUAL_NAME = "larder";
/** The variable that names the cache, for who can set no file. */
const VARIABLE = "CACHE_RESOLVER_PLACE";
const USUAL_DEADLINE_MS = 5_000;
const MAX_DEADLINE_MS = 10_000;
/** How often it looks again: soon while there is none. */
const FOUND_INTERVAL_MS = 60_000;
const LOST_INTERVAL_MS = 10_000;

interface ResolveFlags {
  readonly name: string;
  readonly deadlineMs: number;
  readonly overrideFile: string;
  readonly folder: ResolverFolder;
  readonly onChange: string | undefined;
  readonly isExplained: boolean;
  readonly isJson: boolean;
}

/** `larder resolve`: finds the cache and says so in files; not to find one is no failure, for the fallback holds. */
export async function resolve(invocation: Invocation): Promise<number> {
  const flags = readFlags(invocation);
  const { watch, once: isOnce } = invocation.flags;
  if ((watch === true) === (isOnce === true))
    throw new LarderError("USAGE", "say --once or --watch; see larder resolve --help");
  flags.folder.writeFallback();
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, () => stop.abort());
  do {
    const { found } = await look(invocation, flags);
    if (watch !== true) break;
    // After the first look, so that what is ordered behind it reads what it found. Saying it again does no harm.
    notifyServiceManager("READY=1", invocation.env, silentLog);
    const intervalMs = found === undefined ? LOST_INTERVAL_MS : FOUND_INTERVAL_MS;
    await sleep(intervalMs, undefined, { signal: stop.signal }).catch(() => undefined);
  } while (!stop.signal.aborted);
  return EXIT.ok;
}

async function look({ env }: Invocation, flags: ResolveFlags): Promise<Resolution> {
  const { name, overrideFile, folder, deadlineMs } = flags;
  const localLink = createLocalLink();
  const names = systemNames(localLink);
  const sources = sourcesOf({
    name,
    overrideFile,
    environment: env[VARIABLE],
    routeFile: "/proc/net/route",
    lastKnown: folder.lastKnown(),
    names,
    localLink,
  });
  const resolution = await resolveCache(sources, { deadlineMs, probe, now: () => performance.now() });
  tell(resolution, flags);
  if (folder.write(resolution.found) && flags.onChange !== undefined) await runOnChange(flags.onChange);
  return resolution;
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

/** By a shell, as the user wrote it. That it fails is said, and no more. */
async function runOnChange(command: string): Promise<void> {
  const child = spawn("/bin/sh", ["-c", command], { stdio: ["ignore", "inherit", "inherit"] });
  const [exitCode, signal] = await once(child, "exit");
  if (exitCode !== 0) note(`--on-change failed (${signal ?? exitCode}): ${command}`);
}

function readFlags({ flags }: Invocation): ResolveFlags {
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
    isExplained: flags["explain"] === true,
    isJson: flags["json"] === true,
  };
}
