import { digestOf } from "../../core/digest.ts";
import { type Entry, entryKeyOf, PUBLIC_REALM } from "../../core/entry.ts";
import { type RawFields, toRecord } from "../../core/fields.ts";
import { parseTarget } from "../../core/target.ts";
import { formatHttpDate } from "../../policy/fields/http-date.ts";
import type { PlanContext, RequestView } from "../../policy/plan.ts";

/** The moment at which every test of this room happens. */
export const NOW_MS = Date.UTC(2026, 0, 15, 12, 0, 0);
const TARGET = parseTarget("http://repo.example/pool/a.deb");

/** An HTTP-date that many seconds from now; in the past when negative. */
export function dateIn(seconds: number): string {
  return formatHttpDate(NOW_MS + seconds * 1000);
}

export function makeContext(changes: Partial<PlanContext> = {}): PlanContext {
  return { nowMs: NOW_MS, class: "other", rootFreshForMs: 300_000, coding: "asked", ...changes };
}

export function makeRequest(fields: RawFields = [], changes: Partial<RequestView> = {}): RequestView {
  const realms = { realm: PUBLIC_REALM, sharedRealm: PUBLIC_REALM };
  return { method: "GET", target: TARGET, fields, record: toRecord(fields), ...realms, ...changes };
}

/** A response that came `agoSeconds` ago, in no time, with a Date of that moment unless the fields have one. */
export function makeEntry(fields: RawFields, changes: Partial<Entry> & { agoSeconds?: number } = {}): Entry {
  const { agoSeconds = 0, ...rest } = changes;
  const cameMs = NOW_MS - agoSeconds * 1000;
  const isDated = fields.some((name, i) => i % 2 === 0 && name.toLowerCase() === "date");
  return {
    key: entryKeyOf("GET", TARGET.uri),
    variant: "",
    realm: PUBLIC_REALM,
    status: 200,
    fields: isDated ? fields : [...fields, "Date", dateIn(-agoSeconds)],
    selecting: [],
    digest: digestOf("body"),
    bytes: 4,
    requestMs: cameMs,
    responseMs: cameMs,
    storedMs: cameMs,
    ...rest,
  };
}
