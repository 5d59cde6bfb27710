import { type FieldRecord, listMembers } from "../../core/fields.ts";

/** Directives by lower-case name: their argument without quotes, or `true` for one that has none (RFC 9111 §5.2). */
export type Directives = ReadonlyMap<string, string | true>;

const DIRECTIVE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^"\s]*)))?$/;
const DELTA_SECONDS = /^[0-9]+$/;
/** The greatest age that has to be told apart from "very long" (RFC 9111 §1.2.2). */
const MAX_DELTA_SECONDS = 2 ** 31;

const NO_DIRECTIVES: Directives = new Map();

/**
 * Reads a combined Cache-Control value (RFC 9111 §5.2). What is not a directive is ignored. Of several with one name
 * the first counts (§4.2.1), but one without an argument wins over all: `no-cache` is stricter than
 * `no-cache="set-cookie"`.
 */
export function readDirectives(value: string | undefined): Directives {
  if (value === undefined) return NO_DIRECTIVES;
  const directives = new Map<string, string | true>();
  for (const member of listMembers(value)) {
    const match = DIRECTIVE.exec(member);
    if (match === null) continue;
    const name = (match[1] as string).toLowerCase();
    const argument = match[2]?.replace(/\\(.)/g, "$1") ?? match[3];
    if (argument === undefined) directives.set(name, true);
    else if (!directives.has(name)) directives.set(name, argument);
  }
  return directives;
}

/**
 * The seconds a directive names; `undefined` when it is absent or its argument is no delta-seconds (RFC 9111 §1.2.2).
 */
export function secondsOf(directives: Directives, name: string): number | undefined {
  const argument = directives.get(name);
  return typeof argument === "string" ? parseDeltaSeconds(argument) : undefined;
}

export function parseDeltaSeconds(text: string): number | undefined {
  return DELTA_SECONDS.test(text) ? Math.min(Number(text), MAX_DELTA_SECONDS) : undefined;
}

/** The field names that a qualified `no-cache` or `private` lists, in lower case (RFC 9111 §5.2.2.4, §5.2.2.7). */
export function namedFields(directives: Directives, name: "no-cache" | "private"): readonly string[] {
  const argument = directives.get(name);
  return typeof argument === "string" ? listMembers(argument.toLowerCase()) : [];
}

/** What a request asks of a cache (RFC 9111 §5.2.1). */
export interface RequestWishes {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly onlyIfCached: boolean;
  readonly maxAgeSeconds: number | undefined;
  readonly minFreshSeconds: number;
  /** `Infinity` for a bare max-stale: a response of any staleness will do. `undefined`: none will. */
  readonly maxStaleSeconds: number | undefined;
  /** RFC 5861 §4 allows stale-if-error in requests too. */
  readonly staleIfErrorSeconds: number | undefined;
}

const NO_WISHES: RequestWishes = {
  noStore: false,
  noCache: false,
  onlyIfCached: false,
  maxAgeSeconds: undefined,
  minFreshSeconds: 0,
  maxStaleSeconds: undefined,
  staleIfErrorSeconds: undefined,
};

/**
 * Reads Cache-Control and, only where there is none, Pragma (RFC 9111 §5.4). A max-age that is no number asks for 0.
 */
export function readWishes(record: FieldRecord): RequestWishes {
  const value = record["cache-control"];
  if (typeof value !== "string") return asksByPragma(record["pragma"]) ? { ...NO_WISHES, noCache: true } : NO_WISHES;
  const directives = readDirectives(value);
  return {
    noStore: directives.has("no-store"),
    noCache: directives.has("no-cache"),
    onlyIfCached: directives.has("only-if-cached"),
    maxAgeSeconds: directives.has("max-age") ? (secondsOf(directives, "max-age") ?? 0) : undefined,
    minFreshSeconds: secondsOf(directives, "min-fresh") ?? 0,
    maxStaleSeconds: directives.get("max-stale") === true ? Infinity : secondsOf(directives, "max-stale"),
    staleIfErrorSeconds: secondsOf(directives, "stale-if-error"),
  };
}

function asksByPragma(pragma: FieldRecord[string]): boolean {
  return typeof pragma === "string" && listMembers(pragma.toLowerCase()).includes("no-cache");
}

/** `max-age=0` asks for revalidation of everything, also of what came this very second (RFC 9111 §5.2.1.1). */
export function isTooOld(age: number, { maxAgeSeconds }: RequestWishes): boolean {
  return maxAgeSeconds !== undefined && (maxAgeSeconds === 0 || age > maxAgeSeconds);
}
