import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { LarderError, toLarderError } from "../../core/errors.ts";
import { readRoute, withoutCredentials } from "../../proxy/origin/parents.ts";
import type { ParentRule } from "../../proxy/settings.ts";
import { type Directories, resolvePath } from "./directories.ts";
import { KINDS } from "./readers.ts";
import { isTable, refuseUnknownKeys, type TomlTable } from "./toml-table.ts";

/** The tables of `larder.toml` that name proxies before some origins: `[[parent]]`, as often as wanted. */
export const PARENT_KEY = "parent";
const KEYS = ["hosts", "scheme", "via", "credentials"] as const;

/** One of those tables. */
export interface ParentFiles extends Omit<ParentRule, "credentials"> {
  /** Absolute path of a file that holds `user:password`. */
  readonly credentialsFile: string | undefined;
}

interface Place {
  /** `parent 1` and so on. */
  readonly name: string;
  readonly fileName: string;
  readonly directories: Directories;
}

/**
 * Reads the tables; the files they name are read when a proxy starts.
 * @param tables what the file has under {@link PARENT_KEY}; `undefined` when it has none
 * @throws LarderError `CONFIG_BAD_VALUE` or `CONFIG_UNKNOWN_KEY`, naming the table and the file, but no password
 */
export function readParentTables(tables: unknown, place: Omit<Place, "name">): readonly ParentFiles[] {
  if (tables === undefined) return [];
  if (!Array.isArray(tables) || !tables.every(isTable))
    throw badValue(PARENT_KEY, "tables that begin with [[parent]]", { ...place, name: "larder.toml" });
  return tables.map((table, at) => readTable(table, { ...place, name: `${PARENT_KEY} ${at + 1}` }));
}

function readTable(table: TomlTable, place: Place): ParentFiles {
  refuseUnknownKeys(table, KEYS, place);
  const { hosts = ["*"], scheme, via, credentials } = table;
  if (scheme !== undefined && scheme !== "http" && scheme !== "https") throw badValue("scheme", "http, https", place);
  if (credentials !== undefined && (typeof credentials !== "string" || credentials === ""))
    throw badValue("credentials", "the path of a file that holds user:password", place);
  const { fileName, directories } = place;
  return {
    hosts: readList("hosts", hosts, place).map((host) => readHost(host, place)),
    scheme,
    routes: readList("via", via, place).map((route) => checkRoute(route, place)),
    credentialsFile: credentials === undefined ? undefined : resolvePath(credentials, dirname(fileName), directories),
  };
}

function readList(key: string, value: unknown, place: Place): readonly string[] {
  const list = typeof value === "string" ? [value] : value;
  if (Array.isArray(list) && list.length > 0 && list.every((member) => typeof member === "string")) return list;
  throw badValue(key, key === "via" ? "proxy URLs, and direct" : "host patterns", place);
}

function readHost(written: string, place: Place): string {
  const { schema, allowed } = KINDS.hostPattern;
  const read = v.safeParse(schema({ directories: place.directories, baseDir: dirname(place.fileName) }), written);
  if (read.success) return read.output;
  throw badValue("hosts", allowed, place);
}

function checkRoute(written: string, place: Place): string {
  // A bare word may be a host, and is more often `direct` with a slip.
  if (written !== "direct" && !written.includes(":"))
    throw badValue("via", "http://[user:password@]host:port, and direct", place);
  try {
    readRoute(written);
    return written;
  } catch (cause) {
    const { message } = toLarderError(cause);
    throw new LarderError("CONFIG_BAD_VALUE", `via of ${place.name} (in ${place.fileName}): ${message}, or direct`, {
      cause,
    });
  }
}

/** Does not repeat what stands there: it may hold a password. */
function badValue(key: string, allowed: string, { name, fileName }: Place): LarderError {
  return new LarderError("CONFIG_BAD_VALUE", `${key} of ${name} (in ${fileName}): allowed are ${allowed}`, {
    details: { key, fileName },
  });
}

/**
 * Reads the files that the tables name.
 * @throws LarderError `CONFIG_BAD_VALUE` for one that cannot be read, holds no `user:password`, or that others may read
 */
export function loadParentRules(parents: readonly ParentFiles[]): readonly ParentRule[] {
  return parents.map(({ credentialsFile, ...rule }) => ({
    ...rule,
    credentials: credentialsFile === undefined ? undefined : readCredentials(credentialsFile),
  }));
}

function readCredentials(file: string): string {
  let text: string;
  let mode: number;
  try {
    text = readFileSync(file, "utf8").trim();
    mode = statSync(file).mode;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LarderError("CONFIG_BAD_VALUE", `credentials of a parent proxy cannot be read: ${reason}`, { cause });
  }
  if ((mode & 0o004) !== 0)
    throw new LarderError("CONFIG_BAD_VALUE", `${file} holds a password that everybody may read: chmod 600 ${file}`);
  if (/^[^\s:]+:[^\r\n]*$/.test(text)) return text;
  throw new LarderError("CONFIG_BAD_VALUE", `${file} is to hold one line, user:password`);
}

/** One line for `larder config`, without passwords. */
export function describeParent({ hosts, scheme, routes, credentialsFile }: ParentFiles): string {
  const shown = `${scheme ?? "http and https"} to ${hosts.join(", ")} via ${routes.map(withoutCredentials).join(", ")}`;
  return credentialsFile === undefined ? shown : `${shown} with the credentials of ${credentialsFile}`;
}
