import type { Entry } from "../core/entry.ts";
import { fieldValue } from "../core/fields.ts";
import { type Directives, isTooOld, readDirectives, readWishes, secondsOf } from "./fields/cache-control.ts";
import { heardFields } from "./fields/targeted.ts";
import { ageSeconds, freshForSeconds, isMissing } from "./freshness.ts";
import type { PlanContext, RequestView } from "./plan.ts";

/** Why the origin could not answer. */
export type OriginFailure = { readonly kind: "status"; readonly status: number } | { readonly kind: "unreachable" };

/** Directives under which a shared cache never serves a response stale (RFC 9111 §4.2.4). */
const FORBID_STALE = ["must-revalidate", "proxy-revalidate", "s-maxage"];

/** Whether the response's own directives forbid to serve it stale (RFC 9111 §4.2.4). */
export function forbidsStale(directives: Directives): boolean {
  return directives.get("no-cache") === true || FORBID_STALE.some((name) => directives.has(name));
}

/**
 * Whether the stale entry may be served in place of an origin that failed. What is about packages is served stale
 * whatever the directives (departure "stale-package"); all else by RFC 9111 §4.2.4 and RFC 5861 §4.
 */
export function mayServeStale(
  entry: Entry,
  request: RequestView,
  failure: OriginFailure,
  context: PlanContext,
): boolean {
  if (!isFailure(failure, context)) return false;
  const isShared = entry.realm === request.sharedRealm && request.realm === request.sharedRealm;
  // A path that the cache had not is looked for elsewhere then, as before, instead of nowhere (departure
  // "missing-root").
  const isKnownAbsence = context.missingFreshForMs !== undefined && isMissing(entry.status);
  if (context.class !== "other" && (entry.status < 400 || isKnownAbsence) && isShared) return true;

  const directives = readDirectives(fieldValue(heardFields(entry.fields, context.targets), "cache-control"));
  const wishes = readWishes(request.record);
  const age = ageSeconds(entry, context.nowMs);
  const isUnwanted = wishes.noCache || wishes.minFreshSeconds > 0 || isTooOld(age, wishes);
  if (isUnwanted || forbidsStale(directives)) return false;
  const staleForSeconds = age - freshForSeconds(entry, context);
  const window = secondsOf(directives, "stale-if-error") ?? wishes.staleIfErrorSeconds;
  if (window !== undefined) return staleForSeconds <= window;
  return failure.kind === "unreachable" || staleForSeconds <= (wishes.maxStaleSeconds ?? -1);
}

/**
 * RFC 5861 §4 knows the errors of servers only; an origin that is asked too often has no package file to give, either.
 */
function isFailure(failure: OriginFailure, context: PlanContext): boolean {
  if (failure.kind === "unreachable" || failure.status >= 500) return true;
  return failure.status === 429 && context.class !== "other";
}
