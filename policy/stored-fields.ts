import { eachField, fieldValue, type RawFields, withoutFields } from "../core/fields.ts";
import { type Directives, namedFields, readDirectives } from "./fields/cache-control.ts";
import { formatHttpDate, parseHttpDate } from "./fields/http-date.ts";
import { heardFields } from "./fields/targeted.ts";
import { endToEndFields } from "./forwarding.ts";
import type { ExchangeTimes, PlanContext } from "./plan.ts";

export type StoringContext = PlanContext & ExchangeTimes;

/**
 * Fields that describe the stored bytes: an answer that brings none, as a 304, does not change them (RFC 9111 §3.2 lets
 * a cache omit what its stored response depends upon; RFC 9530 §2: Content-Digest is of the content of its own
 * message).
 */
const OF_THE_BODY: ReadonlySet<string> = new Set([
  "content-digest",
  "content-encoding",
  "content-length",
  "content-md5",
  "content-range",
]);

/**
 * The fields of a response that go into the store (RFC 9111 §3.1): end-to-end ones, without those that a qualified
 * `no-cache` or `private` withholds, and with the Date that a response without one is given on receipt (RFC 9110 §6.6.1).
 */
export function storedFields(fields: RawFields, directives: Directives, context: StoringContext): string[] {
  const left = namesWithheld(directives);
  // Departure "package-cookies".
  if (context.class !== "other") left.add("set-cookie");
  const isDated = parseHttpDate(fieldValue(fields, "date")) !== undefined;
  if (!isDated) left.add("date");
  const kept = left.size === 0 ? endToEndFields(fields) : withoutFields(endToEndFields(fields), left);
  if (!isDated) kept.push("Date", formatHttpDate(context.responseMs));
  return kept;
}

/**
 * The field lines that a qualified `no-cache` or `private` withholds from the store: they are for whoever asked, and
 * nobody else.
 */
export function withheldFields(fields: RawFields, targets?: readonly string[]): RawFields {
  const names = namesWithheld(readDirectives(fieldValue(heardFields(fields, targets), "cache-control")));
  if (names.size === 0) return [];
  const withheld: string[] = [];
  eachField(endToEndFields(fields), (name, value, line) => {
    if (names.has(name)) withheld.push(line, value);
  });
  return withheld;
}

function namesWithheld(directives: Directives): Set<string> {
  return new Set([...namedFields(directives, "no-cache"), ...namedFields(directives, "private")]);
}

/**
 * A stored response's fields after one that freshens it (RFC 9111 §3.2): each field that this one has replaces the
 * stored lines of its name. The stored Age goes in any case: it was counted up to the response before.
 */
export function updatedFields(stored: RawFields, received: RawFields): string[] {
  const update = withoutFields(received, OF_THE_BODY);
  const replaced = new Set(["age"]);
  for (let i = 0; i < update.length; i += 2) replaced.add((update[i] as string).toLowerCase());
  return [...withoutFields(stored, replaced), ...update];
}
