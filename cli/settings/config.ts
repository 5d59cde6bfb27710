import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { parse as parseToml, TomlError } from "smol-toml";
import * as v from "valibot";
import { LarderError, systemCode } from "../../core/errors.ts";
import type { ConfiguredRepository } from "../../learn/tasks.ts";
import { type Directories, type Environment, readDirectories } from "./directories.ts";
import { nearestOf } from "./nearest.ts";
import { ORIGIN_KEY, type OriginFiles, readOriginTables } from "./origin-access.ts";
import { PARENT_KEY, type ParentFiles, readParentTables } from "./parents.ts";
import { KINDS, type KindTypes, type PathContext } from "./readers.ts";
import { REPOSITORY_KEY, readRepositories } from "./repositories.ts";
import type { SettingRow } from "./row.ts";
import { flagOf, SETTING_KEYS, SETTINGS, type SettingKey, VARIABLE_PREFIX, variableOf } from "./settings.ts";

type Rows = typeof SETTINGS;

type Unset<F> = F extends undefined ? undefined : never;

/**
 * The value of every setting: paths absolute, times in milliseconds, sizes in bytes; `undefined` where none is the
 * default.
 */
export type Settings = {
  readonly [K in SettingKey]: Rows[K]["isList"] extends true
    ? readonly KindTypes[Rows[K]["kind"]][]
    : KindTypes[Rows[K]["kind"]] | Unset<Rows[K]["fallback"]>;
};

/** Where a value came from. `name` is the flag, the variable or the file. */
export type Origin =
  | { readonly from: "flag" | "environment" | "file"; readonly name: string }
  | { readonly from: "default" };

export interface Config {
  readonly settings: Settings;
  readonly origins: Readonly<Record<SettingKey, Origin>>;
  /** Each value as it was written, list members apart. */
  readonly written: Readonly<Record<SettingKey, readonly string[]>>;
  /** Bases that are one repository; only the file can say so. */
  readonly repositories: readonly ConfiguredRepository[];
  /** Origins that are spoken to in a way of their own; only the file can say so. */
  readonly originFiles: readonly OriginFiles[];
  /** Proxies before some origins; only the file can say so. */
  readonly parents: readonly ParentFiles[];
}

/** What the user said and where it is to be looked up. */
export interface ConfigInput {
  /** Option values by key, unparsed; unknown keys are options that are no settings. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Environment;
  readonly workingDir: string;
}

/** One value as it was found, before it is read. */
interface Found {
  readonly raw: readonly unknown[];
  readonly origin: Origin;
  readonly paths: PathContext;
}

interface Sources {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Environment;
  readonly file: Readonly<Record<string, unknown>>;
  readonly fileName: string;
  readonly workingDir: string;
  readonly directories: Directories;
}

/**
 * Reads the configuration: flags over environment over `larder.toml` over the fallbacks of {@link SETTINGS}.
 * @throws LarderError `CONFIG_UNKNOWN_KEY`, `CONFIG_BAD_VALUE` or `CONFIG_UNREADABLE`, each naming where and what to
 * do.
 */
export function loadConfig(input: ConfigInput): Config {
  const directories = readDirectories(input.env);
  const withoutFile: Sources = { ...input, directories, file: {}, fileName: "" };
  const found = find("config", withoutFile);
  const fileName = readList("config", found)[0] as string;
  const file = readFile(fileName, found.origin.from !== "default");
  refuseUnknownKeys(file, fileName);
  refuseUnknownVariables(input.env);
  const repositories = readRepositories(file[REPOSITORY_KEY], fileName);
  const originFiles = readOriginTables(file[ORIGIN_KEY], { fileName, directories });
  const parents = readParentTables(file[PARENT_KEY], { fileName, directories });
  const config = { ...readAll({ ...withoutFile, file, fileName }), repositories, originFiles, parents };
  refuseHalfAuthority(config.origins);
  refuseDemandWithoutKeys(config.settings);
  return config;
}

function readAll(sources: Sources): Omit<Config, "repositories" | "originFiles" | "parents"> {
  const settings: Record<string, unknown> = {};
  const origins: Record<string, Origin> = {};
  const written: Record<string, readonly string[]> = {};
  for (const key of SETTING_KEYS) {
    const found = find(key, sources);
    const values = readList(key, found);
    settings[key] = SETTINGS[key].isList ? values : values[0];
    origins[key] = found.origin;
    written[key] = SETTINGS[key].kind === "path" ? values.map(String) : found.raw.map(String);
  }
  // The loop above has set every key to a value of its kind; the type checker cannot follow that.
  return { settings, origins, written } as unknown as ReturnType<typeof readAll>;
}

function find(key: SettingKey, sources: Sources): Found {
  const { flags, env, file, fileName, workingDir, directories } = sources;
  const here = { baseDir: workingDir, directories };
  const row: SettingRow = SETTINGS[key];
  const flag = flags[key];
  if (flag !== undefined) return { raw: asList(flag), origin: { from: "flag", name: flagOf(key) }, paths: here };
  // An empty variable is an unset one: `LARDER_ROOT= larder serve` and a blank line of an env file mean no value.
  const name = [variableOf(key), row.sharedVariable ?? ""].find((candidate) => (env[candidate] ?? "") !== "");
  if (name !== undefined) {
    const variable = env[name] ?? "";
    const raw = row.isList ? variable.split(",") : [variable];
    return { raw, origin: { from: "environment", name }, paths: here };
  }
  if (file[key] !== undefined) {
    const paths = { baseDir: dirname(fileName), directories };
    return { raw: asList(file[key]), origin: { from: "file", name: fileName }, paths };
  }
  return { raw: asList(row.fallback ?? []), origin: { from: "default" }, paths: here };
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function readList(key: SettingKey, { raw, origin, paths }: Found): readonly unknown[] {
  const row: SettingRow = SETTINGS[key];
  const { schema, allowed } = KINDS[row.kind];
  if (!row.isList && raw.length === 0 && origin.from === "default") return [];
  if (!row.isList && raw.length !== 1) throw badValue(key, raw, origin, `one value: ${allowed}`);
  return raw.map((value) => {
    const result = v.safeParse(schema(paths), value);
    if (!result.success) throw badValue(key, value, origin, allowed);
    return result.output;
  });
}

function badValue(key: SettingKey, value: unknown, origin: Origin, allowed: string): LarderError {
  const place = origin.from === "default" ? "by default" : `${origin.from === "file" ? "in " : ""}${origin.name}`;
  return new LarderError("CONFIG_BAD_VALUE", `${key} (${place}) is ${JSON.stringify(value)}; allowed: ${allowed}`, {
    details: { key, value, origin },
  });
}

function readFile(fileName: string, isNamed: boolean): Readonly<Record<string, unknown>> {
  try {
    return parseToml(readFileSync(fileName, "utf8"));
  } catch (error) {
    if (systemCode(error) === "ENOENT" && !isNamed) return {};
    throw new LarderError("CONFIG_UNREADABLE", unreadable(fileName, error), { cause: error, details: { fileName } });
  }
}

function unreadable(fileName: string, error: unknown): string {
  if (!(error instanceof TomlError))
    return `${fileName} cannot be read (${systemCode(error)}); mend that, or name another file with --config`;
  const [reason = ""] = error.message.replace("Invalid TOML document: ", "").split("\n", 1);
  return `line ${error.line} of ${fileName}, column ${error.column}, is no TOML: ${reason}`;
}

function refuseUnknownKeys(file: Readonly<Record<string, unknown>>, fileName: string): void {
  // A file cannot say where it is itself.
  const tables = [REPOSITORY_KEY, ORIGIN_KEY, PARENT_KEY];
  const known: readonly string[] = [...SETTING_KEYS.filter((key) => key !== "config"), ...tables];
  const unknown = Object.keys(file).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const nearest = nearestOf(unknown, known);
  const cure = nearest === undefined ? "`larder config` lists the known ones" : `did you mean ${nearest}?`;
  throw new LarderError("CONFIG_UNKNOWN_KEY", `unknown key ${unknown} in ${fileName}; ${cure}`, {
    details: { key: unknown, fileName },
  });
}

/** Other programs may own variables that begin with `LARDER_`; only what is nearly one of ours is taken for a slip. */
function refuseUnknownVariables(env: Environment): void {
  const known = SETTING_KEYS.map(variableOf);
  for (const name of Object.keys(env)) {
    if (!name.startsWith(VARIABLE_PREFIX) || known.includes(name)) continue;
    const nearest = nearestOf(
      name.slice(VARIABLE_PREFIX.length),
      known.map((variable) => variable.slice(VARIABLE_PREFIX.length)),
    );
    if (nearest === undefined) continue;
    const message = `unknown variable ${name}; did you mean ${VARIABLE_PREFIX}${nearest}?`;
    throw new LarderError("CONFIG_UNKNOWN_KEY", message, { details: { key: name } });
  }
}

function refuseHalfAuthority({ caCert, caKey }: Config["origins"]): void {
  if ((caCert.from === "default") === (caKey.from === "default")) return;
  const [given, missing] = caCert.from === "default" ? ["caKey", "caCert"] : ["caCert", "caKey"];
  throw new LarderError(
    "CONFIG_BAD_VALUE",
    `${given} is set but ${missing} is not; a CA is its certificate and its key`,
  );
}

function refuseDemandWithoutKeys({ verifySignatures, keyrings }: Settings): void {
  if (verifySignatures === "off" || keyrings.length > 0) return;
  throw new LarderError(
    "CONFIG_BAD_VALUE",
    `verifySignatures is ${verifySignatures} but keyrings is not set; name a folder of the repositories' public keys (*.gpg, *.asc), or set verifySignatures to off`,
  );
}
