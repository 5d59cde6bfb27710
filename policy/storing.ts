import type { Realm } from "../core/entry.ts";
import { fieldValue, type RawFields } from "../core/fields.ts";
import { type Directives, readDirectives, readWishes, secondsOf } from "./fields/cache-control.ts";
import { heardFields } from "./fields/targeted.ts";
import { explicitLifetimeSeconds, HEURISTICALLY_CACHEABLE, isMissing } from "./freshness.ts";
import { partOf } from "./parts.ts";
import type { RequestView, ResponseHead } from "./plan.ts";
import { type Selection, variantOf } from "./selecting.ts";
import { type StoringContext, storedFields } from "./stored-fields.ts";

/** Why a response is not stored, as logs and `detail` of Cache-Status say it. */
type StoringRefusal =
  | "method"
  | "status"
  | "request-no-store"
  | "no-store"
  | "must-understand"
  | "private"
  | "authorization"
  | "cookie"
  | "no-freshness"
  | "vary-any";

/** Whether a response is stored, and what of it. */
export type Judgement =
  | (Selection & { readonly store: true; readonly realm: Realm; readonly fields: RawFields })
  | { readonly store: false; readonly reason: StoringRefusal };

/** Statuses whose caching is understood here (RFC 9111 §3), beside those that are cacheable by heuristics. */
const UNDERSTOOD_TOO: ReadonlySet<number> = new Set([302, 303, 307, 400, 403, 500, 502, 503, 504]);

/** Directives that let a shared cache store what was asked for with credentials (RFC 9111 §3.5). */
const SHARE_AUTHORIZED = ["public", "s-maxage", "must-revalidate"];

/**
 * Judges whether the answer to a GET may be stored (RFC 9111 §3). A payload, member or root is worth storing with
 * status 200 even without freshness information: it is then revalidated. Of parts those are stored that were asked for
 * and say which they are; 304s are stored by nobody.
 */
export function judge(request: RequestView, head: ResponseHead, context: StoringContext): Judgement {
  const heard = { ...head, fields: heardFields(head.fields, context.targets) };
  const directives = readDirectives(fieldValue(heard.fields, "cache-control"));
  const forbidden = whyForbidden(request, head, directives);
  if (forbidden !== undefined) return refuse(forbidden);
  const realm = realmOfAnswer(request, isPackage(head, context) || isKnownAbsence(head, context), directives);
  if (realm === undefined) return refuse("authorization");
  const worthless = whyWorthless(request, heard, { ...context, directives });
  if (worthless !== undefined) return refuse(worthless);
  const selection = variantOf(head.fields, request, context.coding);
  if (selection === undefined) return refuse("vary-any");
  return { store: true, realm, fields: storedFields(head.fields, directives, context), ...selection };
}

/**
 * Judges the answer for what a repository declares. A 200 is stored: the digest tells what its bytes are, so neither
 * freshness nor Cache-Control has a say (departure "declared-payload"); what was asked for with credentials stays with
 * them. With any other status come bytes that nobody declares.
 */
export function judgeDeclared(request: RequestView, head: ResponseHead, context: StoringContext): Judgement {
  if (head.status !== 200) return refuse("status");
  const directives = readDirectives(fieldValue(heardFields(head.fields, context.targets), "cache-control"));
  const realm = realmOfAnswer(request, true, directives) ?? request.realm;
  return { store: true, realm, fields: storedFields(head.fields, new Map(), context), variant: "", selecting: [] };
}

function refuse(reason: StoringRefusal): Judgement {
  return { store: false, reason };
}

function isPackage(head: ResponseHead, context: StoringContext): boolean {
  return context.class !== "other" && head.status === 200;
}

/** Departure "missing-root". */
function isKnownAbsence({ status }: ResponseHead, { missingFreshForMs }: StoringContext): boolean {
  return missingFreshForMs !== undefined && isMissing(status);
}

/** What RFC 9111 §3 forbids. */
function whyForbidden(request: RequestView, head: ResponseHead, directives: Directives): StoringRefusal | undefined {
  const { status } = head;
  if (request.method !== "GET") return "method";
  // A part that nobody asked for, or that does not say which one it is, is of no use (§3.3).
  const isOddPart = status === 206 && (request.record["range"] === undefined || partOf(head) === undefined);
  if (status < 200 || isOddPart || status === 304) return "status";
  if (readWishes(request.record).noStore) return "request-no-store";
  if (directives.has("must-understand")) {
    // Where the status is understood, must-understand lifts no-store (§5.2.2.3).
    if (!HEURISTICALLY_CACHEABLE.has(status) && !UNDERSTOOD_TOO.has(status)) return "must-understand";
  } else if (directives.has("no-store")) return "no-store";
  return directives.get("private") === true ? "private" : undefined;
}

/** Whose the answer is; `undefined` when it may not be stored for anyone. */
function realmOfAnswer(request: RequestView, isPackageFile: boolean, directives: Directives): Realm | undefined {
  const { realm, sharedRealm } = request;
  if (realm === sharedRealm) return realm;
  // Departure "package-realm". Frameworks add must-revalidate by themselves: for a private registry it opens nothing.
  if (isPackageFile) return directives.has("public") ? sharedRealm : realm;
  return SHARE_AUTHORIZED.some((name) => directives.has(name)) ? sharedRealm : undefined;
}

/** What could never be served again, or not without doubt whose it is. */
function whyWorthless(
  request: RequestView,
  head: ResponseHead,
  context: StoringContext & { readonly directives: Directives },
): StoringRefusal | undefined {
  const { directives, responseMs } = context;
  const lifetime = explicitLifetimeSeconds({ ...head, responseMs }, directives);
  const isMeantForAll = (lifetime ?? 0) > 0 || directives.has("public");
  const setsCookie = context.class === "other" && fieldValue(head.fields, "set-cookie") !== undefined;
  // RFC 9111 §7.3 leaves cookies to the origin's directives; where it gave none, a session is likelier than
  // carelessness.
  if (!isMeantForAll && (setsCookie || request.record["cookie"] !== undefined)) return "cookie";
  if (isPackage(head, context) || isKnownAbsence(head, context)) return undefined;
  const mayBeStored = lifetime !== undefined || directives.has("public") || HEURISTICALLY_CACHEABLE.has(head.status);
  const mayBeReused = (lifetime ?? 0) > 0 || hasValidator(head.fields) || secondsOf(directives, "stale-if-error");
  return mayBeStored && mayBeReused ? undefined : "no-freshness";
}

/** Whether there is something to revalidate by; Last-Modified serves heuristics as well. */
function hasValidator(fields: RawFields): boolean {
  return fieldValue(fields, "etag") !== undefined || fieldValue(fields, "last-modified") !== undefined;
}
