import { type Entry, PUBLIC_REALM } from "../core/entry.ts";
import { type FieldRecord, fieldValue, type RawFields } from "../core/fields.ts";
import {
  type Directives,
  isTooOld,
  type RequestWishes,
  readDirectives,
  readWishes,
  secondsOf,
} from "./fields/cache-control.ts";
import { parseHttpDate } from "./fields/http-date.ts";
import { isWholeRange } from "./fields/ranges.ts";
import { heardFields } from "./fields/targeted.ts";
import { ageSeconds, freshForSeconds } from "./freshness.ts";
import { asksForPart, beginningOf, partFor } from "./parts.ts";
import type { ForwardReason, Plan, PlanContext, RequestView } from "./plan.ts";
import { variantOf } from "./selecting.ts";
import { forbidsStale } from "./serving-stale.ts";

/**
 * Decides what is to be done with a GET or HEAD (RFC 9111 §4), given every stored response of `GET <target URI>`,
 * newest first. A plan to fetch or revalidate is for the whole representation: the client's own range and conditions
 * are answered from it afterwards (RFC 9111 §4.3.2).
 */
export function decide(request: RequestView, entries: readonly Entry[], context: PlanContext): Plan {
  if (hasContent(request.record)) return { action: "pass", reason: "bypass", detail: "request-content" };
  const wishes = readWishes(request.record);
  const usable = entries.filter((entry) => mayBeShown(entry, request));
  const wholes = usable.filter((entry) => entry.status !== 206);
  const entry = selectEntry(request, wholes, context);
  if (entry !== undefined) return planStored(request, wishes, { ...context, entry });
  const parts = wholes.length === usable.length ? [] : usable.filter((one) => one.status === 206);
  const reason = parts.length > 0 ? "partial" : wholes.length > 0 ? "vary-miss" : "uri-miss";
  return planFromParts(request, wishes, { ...context, parts, reason });
}

/** Nothing whole is stored: a stored part may do, or be the beginning of what is to be fetched (RFC 9111 §3.4). */
function planFromParts(
  request: RequestView,
  wishes: RequestWishes,
  context: PlanContext & { readonly parts: readonly Entry[]; readonly reason: ForwardReason },
): Plan {
  const { parts, coding } = context;
  const entry = partFor(request, parts, coding);
  const stored = entry === undefined ? undefined : planStored(request, wishes, { ...context, entry });
  if (stored?.action === "serve" && stored.revalidateBehind === undefined) return stored;
  if (wishes.onlyIfCached) return { action: "refuse", code: "ONLY_IF_CACHED" };
  const forward = planForward(request, wishes, context);
  if (forward.action !== "fetch" || forward.isPart === true) return forward;
  const own = parts.filter((part) => part.realm === request.realm);
  const beginning = beginningOf(request, own, coding);
  return beginning === undefined ? forward : { ...forward, beginning };
}

/** The stored response that would answer the request, were it fresh; `undefined` when there is none. */
export function selectStored(request: RequestView, entries: readonly Entry[], context: PlanContext): Entry | undefined {
  const usable = entries.filter((entry) => mayBeShown(entry, request));
  return selectEntry(request, usable, context);
}

/**
 * Content in a GET has no defined meaning (RFC 9110 §9.3.1), but it may have one to the origin: no stored answer is for
 * it.
 */
export function hasContent(record: FieldRecord): boolean {
  return record["transfer-encoding"] !== undefined || (record["content-length"] ?? "0") !== "0";
}

/**
 * Only what is public or the requester's own. An error that all without credentials were given is not shown to one with
 * credentials: origins hide private things behind 404.
 */
function mayBeShown(entry: Entry, request: RequestView): boolean {
  if (entry.realm === request.realm) return true;
  return (entry.realm === PUBLIC_REALM || entry.realm === request.sharedRealm) && entry.status < 400;
}

/** The newest response of the requester's realm, else of the public one, that Vary selects (RFC 9111 §4.1). */
function selectEntry(request: RequestView, usable: readonly Entry[], context: PlanContext): Entry | undefined {
  const selected = usable.filter(
    (entry) => variantOf(entry.fields, request, context.coding)?.variant === entry.variant,
  );
  return selected.find((entry) => entry.realm === request.realm) ?? selected[0];
}

function planStored(
  request: RequestView,
  wishes: RequestWishes,
  context: PlanContext & { readonly entry: Entry },
): Plan {
  const { entry } = context;
  const age = ageSeconds(entry, context.nowMs);
  const ttlSeconds = freshForSeconds(entry, context) - age;
  const isFresh = ttlSeconds > 0;
  const isWanted = !wishes.noCache && !isTooOld(age, wishes) && (isFresh ? ttlSeconds >= wishes.minFreshSeconds : true);
  if (isWanted && isFresh) return { action: "serve", entry, freshness: "fresh", ttlSeconds };
  if (isWanted && maySatisfyStale(wishes, { ...context, ttlSeconds }))
    return { action: "serve", entry, freshness: "stale", ttlSeconds };
  if (wishes.onlyIfCached) return { action: "refuse", code: "ONLY_IF_CACHED" };

  const conditional = conditionsOf(entry.fields);
  if (isWanted && mayRevalidateBehind(request, wishes, { ...context, ttlSeconds }))
    return { action: "serve", entry, freshness: "stale", ttlSeconds, revalidateBehind: conditional };
  const reason = isFresh ? "request" : "stale";
  const forward = planForward(request, wishes, { ...context, reason });
  // A HEAD cannot bring the body that a changed representation needs, but tells whether it has changed (RFC 9111
  // §4.3.5).
  if (request.method === "HEAD" && forward.action === "pass") return { ...forward, freshens: entry };
  // no-store forbids to keep what comes; of what has no validator, a part may be all that is wanted.
  if (wishes.noStore || (conditional.length === 0 && asksForLess(forward))) return forward;
  return { action: "revalidate", entry, conditional, reason };
}

function asksForLess(plan: Plan): boolean {
  return plan.action === "pass" || (plan.action === "fetch" && plan.isPart === true);
}

type StaleContext = PlanContext & { readonly entry: Entry; readonly ttlSeconds: number };

/**
 * The response allows to be served stale for a while, if it is revalidated meanwhile (RFC 5861 §3). Package metadata is
 * not.
 */
function mayRevalidateBehind(request: RequestView, wishes: RequestWishes, context: StaleContext): boolean {
  const { class: resourceClass, ttlSeconds } = context;
  if (request.method !== "GET" || wishes.noStore || wishes.minFreshSeconds > 0) return false;
  if (ttlSeconds > 0 || resourceClass === "root" || resourceClass === "member") return false;
  const directives = directivesOf(context);
  return !forbidsStale(directives) && -ttlSeconds <= (secondsOf(directives, "stale-while-revalidate") ?? -1);
}

/** The client takes stale responses (RFC 9111 §5.2.1.2) and the response does not forbid it (§4.2.4). */
function maySatisfyStale({ maxStaleSeconds }: RequestWishes, context: StaleContext): boolean {
  if (maxStaleSeconds === undefined || -context.ttlSeconds > maxStaleSeconds) return false;
  return !forbidsStale(directivesOf(context));
}

function directivesOf({ entry, targets }: StaleContext): Directives {
  return readDirectives(fieldValue(heardFields(entry.fields, targets), "cache-control"));
}

/** The conditions of a revalidation (RFC 9111 §4.3.1); empty when the response has no validator. */
function conditionsOf(fields: RawFields): string[] {
  const conditions: string[] = [];
  const etag = fieldValue(fields, "etag");
  if (etag !== undefined) conditions.push("If-None-Match", etag);
  const modified = fieldValue(fields, "last-modified");
  if (modified !== undefined && parseHttpDate(modified) !== undefined) conditions.push("If-Modified-Since", modified);
  return conditions;
}

/** To the origin: to fetch and store the whole, or to pass the exchange through where that is not wanted. */
function planForward(
  request: RequestView,
  wishes: RequestWishes,
  context: PlanContext & { readonly reason: ForwardReason },
): Plan {
  const { reason } = context;
  if (request.method === "HEAD") return { action: "pass", reason, detail: "head" };
  if (wishes.noStore) return { action: "pass", reason, detail: "request-no-store" };
  const range = request.record["range"];
  // Package files are wanted whole sooner or later; of anything else a part may be all that is ever asked for.
  if (context.class === "other" && typeof range === "string" && !isWholeRange(range))
    return asksForPart(request.record)
      ? { action: "fetch", reason: "partial", isPart: true }
      : { action: "pass", reason: "partial" };
  return { action: "fetch", reason };
}
