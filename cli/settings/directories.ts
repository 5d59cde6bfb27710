import { userInfo } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { LarderError } from "../../core/errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a user's files belong: XDG Base Directory Specification 0.8. All absolute. */
export interface Directories {
  readonly home: string;
  readonly XDG_CACHE_HOME: string;
  readonly XDG_CONFIG_HOME: string;
  readonly XDG_STATE_HOME: string;
}

/**
 * A relative value is to be ignored, says the specification; so is an empty one. The same holds for HOME: the user's
 * own entry tells then.
 */
export function readDirectories(env: Environment): Directories {
  const absolute = (value: string | undefined) => (value !== undefined && isAbsolute(value) ? value : undefined);
  const home = absolute(env["HOME"]) ?? ownHome();
  const baseDir = (value: string | undefined, fallback: string) => absolute(value) ?? join(home, fallback);
  return {
    home,
    XDG_CACHE_HOME: baseDir(env["XDG_CACHE_HOME"], ".cache"),
    XDG_CONFIG_HOME: baseDir(env["XDG_CONFIG_HOME"], ".config"),
    XDG_STATE_HOME: baseDir(env["XDG_STATE_HOME"], ".local/state"),
  };
}

/** @throws LarderError `CONFIG_BAD_VALUE` for a user whom the system does not know, as a container's random one */
function ownHome(): string {
  try {
    return userInfo().homedir;
  } catch (cause) {
    const message = "HOME names no folder, and the system knows none of this user; set HOME to an absolute path";
    throw new LarderError("CONFIG_BAD_VALUE", message, { cause });
  }
}

/**
 * Makes a configured path absolute: a leading `~/` or `$XDG_…_HOME/` is replaced, the rest is relative to `baseDir`.
 */
export function resolvePath(text: string, baseDir: string, directories: Directories): string {
  if (text === "~" || text.startsWith("~/")) return join(directories.home, text.slice(1));
  const variable = /^\$(XDG_CACHE_HOME|XDG_CONFIG_HOME|XDG_STATE_HOME)(?=\/|$)/.exec(text);
  if (variable === null) return resolve(baseDir, text);
  return join(directories[variable[1] as keyof Directories], text.slice(variable[0].length));
}
