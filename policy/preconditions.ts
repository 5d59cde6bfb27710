import type { FieldRecord } from "../core/fields.ts";
import { entityTags, isStrongMatch, isWeakMatch } from "./fields/entity-tag.ts";
import { parseHttpDate } from "./fields/http-date.ts";

/** The response that would be given if there were no conditions. */
export interface Representation {
  readonly status: number;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  /**
   * Its Date: stands in for Last-Modified (RFC 9111 §4.3.2) and tells whether that is a strong validator (RFC 9110
   * §8.8.2.2).
   */
  readonly date?: string | undefined;
}

/**
 * Evaluates a request's conditions in the order of RFC 9110 §13.2.2.
 * @returns `not-modified`: answer 304; `failed`: answer 412; `proceed`: answer as if there were none.
 */
export function evaluatePreconditions(
  record: FieldRecord,
  representation: Representation,
  method: string,
): "proceed" | "not-modified" | "failed" {
  // Conditions count only where the answer would be 2xx without them (RFC 9110 §13.2.1).
  if (representation.status < 200 || representation.status > 299) return "proceed";
  if (hasFailed(record, representation)) return "failed";
  if (!isUnchanged(record, representation, method)) return "proceed";
  return method === "GET" || method === "HEAD" ? "not-modified" : "failed";
}

/** If-Match, else If-Unmodified-Since. */
function hasFailed(record: FieldRecord, { etag, lastModified }: Representation): boolean {
  const ifMatch = textOf(record, "if-match");
  if (ifMatch !== undefined) return ifMatch.trim() !== "*" && !isListed(ifMatch, etag, isStrongMatch);
  const since = parseHttpDate(textOf(record, "if-unmodified-since"));
  const modified = parseHttpDate(lastModified);
  return since !== undefined && modified !== undefined && modified > since;
}

/** If-None-Match, else If-Modified-Since, which means something for GET and HEAD only. */
function isUnchanged(record: FieldRecord, { etag, lastModified, date }: Representation, method: string): boolean {
  const ifNoneMatch = textOf(record, "if-none-match");
  if (ifNoneMatch !== undefined) return ifNoneMatch.trim() === "*" || isListed(ifNoneMatch, etag, isWeakMatch);
  if (method !== "GET" && method !== "HEAD") return false;
  const since = parseHttpDate(textOf(record, "if-modified-since"));
  const modified = parseHttpDate(lastModified ?? date);
  return since !== undefined && modified !== undefined && modified <= since;
}

function isListed(list: string, etag: string | undefined, match: (one: string, other: string) => boolean): boolean {
  return etag !== undefined && entityTags(list).some((tag) => match(tag, etag));
}

/**
 * How long before Date a Last-Modified must lie to be a strong validator: the granularity of both (RFC 9110 §8.8.2.2).
 */
const STRONG_AFTER_MS = 1000;

/**
 * Whether a range may be served (RFC 9110 §13.1.5): no If-Range, or one that names this representation by its strong
 * entity tag or its strong Last-Modified. Otherwise the whole is the answer.
 */
export function isRangeStillValid(ifRange: string | undefined, representation: Representation): boolean {
  if (ifRange === undefined) return true;
  const value = ifRange.trim();
  const { etag, lastModified, date } = representation;
  if (parseHttpDate(value) === undefined) return etag !== undefined && isStrongMatch(value, etag);
  if (value !== lastModified) return false;
  const dateMs = parseHttpDate(date);
  return dateMs === undefined || dateMs - (parseHttpDate(lastModified) ?? dateMs) >= STRONG_AFTER_MS;
}

function textOf(record: FieldRecord, name: string): string | undefined {
  const value = record[name];
  return typeof value === "string" ? value : undefined;
}
