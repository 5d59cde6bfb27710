import type { Entry } from "../core/entry.ts";
import { fieldValue, type RawFields } from "../core/fields.ts";
import { readDirectives } from "./fields/cache-control.ts";
import { isStrongMatch, isWeak, isWeakMatch } from "./fields/entity-tag.ts";
import { heardFields } from "./fields/targeted.ts";
import type { ExchangeTimes, ResponseHead } from "./plan.ts";
import { type StoringContext, storedFields, updatedFields } from "./stored-fields.ts";

/** The fields and times that a stored response has from then on. */
export type Freshening = ExchangeTimes & { readonly fields: RawFields };

/**
 * The entry's fields and times after a 304 (RFC 9111 §4.3.4).
 * @returns `another` when the 304 validates another representation than the entry's: ask again without conditions.
 */
export function freshenBy304(entry: Entry, head304: ResponseHead, context: StoringContext): Freshening | "another" {
  if (!isOfEntry(entry.fields, head304.fields)) return "another";
  return freshened(entry, head304, context);
}

function freshened(entry: Entry, { fields: received }: ResponseHead, context: StoringContext): Freshening {
  const directives = readDirectives(fieldValue(heardFields(received, context.targets), "cache-control"));
  const fields = updatedFields(entry.fields, storedFields(received, directives, context));
  return { fields, requestMs: context.requestMs, responseMs: context.responseMs };
}

/**
 * The entry's fields and times after a 200 to a HEAD of its target (RFC 9111 §4.3.5).
 * @returns `another` when the answer is about another representation than the entry's, which is stale then.
 */
export function freshenByHead(entry: Entry, head: ResponseHead, context: StoringContext): Freshening | "another" {
  const length = fieldValue(head.fields, "content-length");
  const hasOtherValidator = ["etag", "last-modified"].some((name) => {
    const received = fieldValue(head.fields, name);
    return received !== undefined && received !== fieldValue(entry.fields, name);
  });
  if (hasOtherValidator || (length !== undefined && Number(length) !== entry.bytes)) return "another";
  return freshened(entry, head, context);
}

/** A 304 without validators answers the only conditions there were: those of the entry. */
function isOfEntry(stored: RawFields, fields304: RawFields): boolean {
  const etag = fieldValue(fields304, "etag");
  const storedTag = fieldValue(stored, "etag");
  if (etag !== undefined && storedTag !== undefined)
    return isWeak(etag) ? isWeakMatch(etag, storedTag) : isStrongMatch(etag, storedTag);
  const modified = fieldValue(fields304, "last-modified");
  return modified === undefined || modified === (fieldValue(stored, "last-modified") ?? modified);
}
