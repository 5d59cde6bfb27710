import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a user's files belong: XDG Base Directory Specification 0.8. All absolute. */
export interface Directories {
  readonly home: string;
  readonly XDG_CACHE_HOME: string;
  readonly XDG_CONFIG_HOME: string;
  readonly XDG_STATE_HOME: string;
}

/** A relative value is to be ignored, says the specification; so is an empty one. */
export function readDirectories(env: Environment): Directories {
  const home = env["HOME"] === undefined || env["HOME"] === "" ? homedir() : env["HOME"];
  const baseDir = (value: string | undefined, fallback: string) =>
    value !== undefined && isAbsolute(value) ? value : join(home, fallback);
  return {
    home,
    XDG_CACHE_HOME: baseDir(env["XDG_CACHE_HOME"], ".cache"),
    XDG_CONFIG_HOME: baseDir(env["XDG_CONFIG_HOME"], ".config"),
    XDG_STATE_HOME: baseDir(env["XDG_STATE_HOME"], ".local/state"),
  };
}

/** Makes a configured path absolute: a leading `~/` or `$XDG_…_HOME/` is replaced, the rest is relative to `baseDir`. */
export function resolvePath(text: string, baseDir: string, directories: Directories): string {
  if (text === "~" || text.startsWith("~/")) return join(directories.home, text.slice(1));
  const variable = /^\$(XDG_CACHE_HOME|XDG_CONFIG_HOME|XDG_STATE_HOME)(?=\/|$)/.exec(text);
  if (variable === null) return resolve(baseDir, text);
  return join(directories[variable[1] as keyof Directories], text.slice(variable[0].length));
}
