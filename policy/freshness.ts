import type { Entry } from "../core/entry.ts";
import { fieldLines, fieldValue, type RawFields } from "../core/fields.ts";
import { type Directives, parseDeltaSeconds, readDirectives, secondsOf } from "./fields/cache-control.ts";
import { parseHttpDate } from "./fields/http-date.ts";
import { heardFields } from "./fields/targeted.ts";
import type { PlanContext } from "./plan.ts";

/** Clocks that are kept right are put back by less. */
const CLOCK_JITTER_MS = 60_000;
/** What a cache says of an age that it cannot express (RFC 9111 §1.2.2): older than any lifetime. */
const UNKNOWN_AGE_SECONDS = 2 ** 31;

/**
 * Whole seconds since the origin made or validated the response (RFC 9111 §4.2.3): what the Age field says. Of a
 * response from the future, after the clock was put back, nobody knows the age: it is too old, lest it stay fresh until
 * its time has come again.
 */
export function ageSeconds(entry: Entry, nowMs: number): number {
  const residentMs = nowMs - entry.responseMs;
  if (residentMs < -CLOCK_JITTER_MS) return UNKNOWN_AGE_SECONDS;
  return Math.max(0, Math.floor((correctedInitialAgeMs(entry) + residentMs) / 1000));
}

/** Told from fields that never change, for as long as the entry is in memory. */
const initialAges = new WeakMap<Entry, number>();

function correctedInitialAgeMs(entry: Entry): number {
  const known = initialAges.get(entry);
  if (known !== undefined) return known;
  const ms = readInitialAgeMs(entry);
  initialAges.set(entry, ms);
  return ms;
}

function readInitialAgeMs({ fields, requestMs, responseMs }: Entry): number {
  // Date has no fractions, so fractions of the difference say nothing.
  const apparentSeconds = Math.floor((responseMs - dateMsOf(fields, responseMs)) / 1000);
  // Of several members the first counts; what is no delta-seconds is ignored (RFC 9111 §5.1).
  const [first = ""] = (fieldLines(fields, "age")[0] ?? "").split(",", 1);
  const ageValueSeconds = parseDeltaSeconds(first.trim()) ?? 0;
  return Math.max(apparentSeconds * 1000, ageValueSeconds * 1000 + (responseMs - requestMs));
}

/** The share of the time since the last modification for which a response is taken to be fresh (RFC 9111 §4.2.2). */
const HEURISTIC_SHARE = 0.1;
/**
 * A changed page is seen after a day at the latest; package files keep their bytes under their name and need no bound.
 */
const HEURISTIC_MAX_SECONDS = 24 * 60 * 60;
/**
 * A name that its registry never gives to other bytes: some registries say nothing at all about how long an answer
 * holds.
 */
const IMMUTABLE_SECONDS = 30 * 24 * 60 * 60;

/** A cache may sign a path anew, or pack its nar otherwise: that is seen after a day at the latest. */
const COMPLETE_SECONDS = 24 * 60 * 60;

/** Statuses that may be fresh by heuristics (RFC 9110 §15.1). */
export const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
]);

/** What of a stored response its freshness depends on. */
export type FreshnessSource = Pick<Entry, "status" | "fields" | "responseMs">;

/**
 * How long the response is fresh, in whole seconds from the moment its age is 0 (RFC 9111 §4.2.1). Roots are fresh for
 * their explicit lifetime only, and `rootFreshForMs` at most. Members have no heuristics either: one that is younger or
 * older than the root that declares it is a hash sum mismatch.
 */
export function freshForSeconds(stored: FreshnessSource, context: Omit<PlanContext, "nowMs" | "coding">): number {
  const fields = heardFields(stored.fields, context.targets);
  const entry = fields === stored.fields ? stored : { ...stored, fields };
  const directives = readDirectives(fieldValue(entry.fields, "cache-control"));
  if (directives.get("no-cache") === true) return 0;
  const explicit = explicitLifetimeSeconds(entry, directives);
  if (context.class === "root") return rootFreshForSeconds(entry.status, explicit, context);
  if (explicit !== undefined || context.class === "member") return explicit ?? 0;
  if (context.isImmutable === true && entry.status === 200) return IMMUTABLE_SECONDS;
  const heuristic = heuristicLifetimeSeconds(entry, directives);
  return context.class === "other" ? Math.min(heuristic, HEURISTIC_MAX_SECONDS) : heuristic;
}

/**
 * Departure "missing-root", departure "complete-root": what is asked for anew each time is asked for a thousand times
 * in a build.
 */
function rootFreshForSeconds(
  status: number,
  explicitSeconds: number | undefined,
  {
    rootFreshForMs,
    missingFreshForMs,
    isComplete,
  }: Pick<PlanContext, "rootFreshForMs" | "missingFreshForMs" | "isComplete">,
): number {
  const boundSeconds = Math.floor(rootFreshForMs / 1000);
  if (missingFreshForMs !== undefined && isMissing(status))
    return Math.min(explicitSeconds ?? Number.POSITIVE_INFINITY, boundSeconds, Math.floor(missingFreshForMs / 1000));
  if (isComplete === true && status === 200 && boundSeconds > 0) return COMPLETE_SECONDS;
  return Math.min(explicitSeconds ?? 0, boundSeconds);
}

export function isMissing(status: number): boolean {
  return status === 404 || status === 410;
}

/** s-maxage, else max-age, else Expires; information that cannot be read means stale. `undefined`: there is none. */
export function explicitLifetimeSeconds(
  { fields, responseMs }: FreshnessSource,
  directives: Directives,
): number | undefined {
  if (directives.has("s-maxage")) return secondsOf(directives, "s-maxage") ?? 0;
  if (directives.has("max-age")) return secondsOf(directives, "max-age") ?? 0;
  const expires = fieldValue(fields, "expires");
  if (expires === undefined) return undefined;
  const expiresMs = parseHttpDate(expires);
  return expiresMs === undefined ? 0 : Math.max(0, Math.floor((expiresMs - dateMsOf(fields, responseMs)) / 1000));
}

function heuristicLifetimeSeconds({ status, fields, responseMs }: FreshnessSource, directives: Directives): number {
  if (!HEURISTICALLY_CACHEABLE.has(status) && !directives.has("public")) return 0;
  const modifiedMs = parseHttpDate(fieldValue(fields, "last-modified"));
  if (modifiedMs === undefined) return 0;
  return Math.max(0, Math.floor(((dateMsOf(fields, responseMs) - modifiedMs) / 1000) * HEURISTIC_SHARE));
}

function dateMsOf(fields: RawFields, responseMs: number): number {
  return parseHttpDate(fieldValue(fields, "date")) ?? responseMs;
}
