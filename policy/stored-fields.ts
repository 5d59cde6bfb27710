import { fieldValue, type RawFields, withoutFields } from "../core/fields.ts";
import { type Directives, namedFields } from "./cache-control.ts";
import { endToEndFields } from "./forwarding.ts";
import { formatHttpDate, parseHttpDate } from "./http-date.ts";
import type { ExchangeTimes, PlanContext } from "./plan.ts";

export type StoringContext = PlanContext & ExchangeTimes;

/** Parts of a stored response that describe its body: a 304, which has none, does not change them (RFC 9111 §3.2). */
const OF_THE_BODY: ReadonlySet<string> = new Set(["content-encoding", "content-length", "content-range"]);

/**
 * The fields of a response that go into the store (RFC 9111 §3.1): end-to-end ones, without those that a qualified
 * `no-cache` or `private` withholds, and with the Date that a response without one is given on receipt (RFC 9110 §6.6.1).
 */
export function storedFields(fields: RawFields, directives: Directives, context: StoringContext): string[] {
  const left = new Set([...namedFields(directives, "no-cache"), ...namedFields(directives, "private")]);
  // Departure "package-cookies".
  if (context.class !== "other") left.add("set-cookie");
  const isDated = parseHttpDate(fieldValue(fields, "date")) !== undefined;
  if (!isDated) left.add("date");
  const kept = left.size === 0 ? endToEndFields(fields) : withoutFields(endToEndFields(fields), left);
  if (!isDated) kept.push("Date", formatHttpDate(context.responseMs));
  return kept;
}

/**
 * A stored response's fields after a 304 (RFC 9111 §3.2): each field that the 304 has replaces the stored lines of its
 * name. The stored Age goes in any case: it was counted up to the response that the 304 replaces.
 */
export function updatedFields(stored: RawFields, fields304: RawFields): string[] {
  const update = withoutFields(fields304, OF_THE_BODY);
  const replaced = new Set(["age"]);
  for (let i = 0; i < update.length; i += 2) replaced.add((update[i] as string).toLowerCase());
  return [...withoutFields(stored, replaced), ...update];
}
