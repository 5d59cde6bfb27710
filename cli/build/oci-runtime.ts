import { readdirSync, readFileSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { parse as parseToml } from "smol-toml";
import { LarderError } from "../../core/errors.ts";
import { isExecutable } from "../session/on-path.ts";
import { type Environment, readDirectories } from "../settings/directories.ts";

/** Where containers/common looks beside PATH (pkg/config/default.go). */
const RUNTIME_FOLDERS = [
  "/usr/bin",
  "/usr/sbin",
  "/usr/local/bin",
  "/usr/local/sbin",
  "/sbin",
  "/bin",
  "/run/current-system/sw/bin",
];
/** In this order, when no configuration names one. */
const KNOWN_RUNTIMES = ["crun", "runc"];

interface EngineTable {
  readonly runtime?: string;
  readonly runtimes?: Readonly<Record<string, readonly string[]>>;
}

/**
 * The OCI runtime that buildah starts: the one it was told, else that of containers.conf(5), else the first that is
 * there. Never another than buildah itself would take: layers of runc and crun differ.
 * @param chosen a name or path, by `--runtime` or BUILDAH_RUNTIME
 * @throws LarderError `ENGINE_FAILED`
 */
export function findRuntime(chosen: string | undefined, env: Environment): string {
  const engine = readEngineTable(env);
  const name = chosen ?? engine.runtime;
  const names = name === undefined || name === "" ? KNOWN_RUNTIMES : [name];
  const folders = [...(env["PATH"] ?? "").split(delimiter), ...RUNTIME_FOLDERS];
  const candidates = names.flatMap((one) => [
    ...(isAbsolute(one) ? [one] : (engine.runtimes?.[one] ?? [])),
    ...(isAbsolute(one) ? [] : folders.map((folder) => join(folder, one))),
  ]);
  const found = candidates.find(isExecutable);
  if (found !== undefined) return found;
  throw new LarderError(
    "ENGINE_FAILED",
    `no OCI runtime ${names.join(" or ")} is to be found; install it or name one with --runtime`,
  );
}

/** Later files win, key by key: containers.conf(5). */
function readEngineTable(env: Environment): EngineTable {
  const tables = configFiles(env).map(readEngine);
  const runtime = tables.findLast((table) => table.runtime !== undefined)?.runtime;
  const runtimes = Object.assign({}, ...tables.map((table) => table.runtimes)) as NonNullable<EngineTable["runtimes"]>;
  return { ...(runtime === undefined ? {} : { runtime }), runtimes };
}

function configFiles(env: Environment): readonly string[] {
  const override = env["CONTAINERS_CONF_OVERRIDE"] ?? "";
  const last = override === "" ? [] : [override];
  const only = env["CONTAINERS_CONF"] ?? "";
  if (only !== "") return [only, ...last];
  const folders = [
    "/usr/share/containers",
    "/etc/containers",
    join(readDirectories(env).XDG_CONFIG_HOME, "containers"),
  ];
  const dropIns = (folder: string) => listConfs(join(folder, "containers.conf.d"));
  return [...folders.flatMap((folder) => [join(folder, "containers.conf"), ...dropIns(folder)]), ...last];
}

function listConfs(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(".conf"));
    return names.sort().map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** A file that is not there, or that the engine itself will complain of, says nothing. */
function readEngine(file: string): EngineTable {
  try {
    return (parseToml(readFileSync(file, "utf8")) as { readonly engine?: EngineTable }).engine ?? {};
  } catch {
    return {};
  }
}
