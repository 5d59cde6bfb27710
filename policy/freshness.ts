import type { Entry } from "../core/entry.ts";
import type { RawFields } from "../core/fields.ts";
import type { ExchangeTimes, PlanContext, RequestView, ResponseHead } from "./plan.ts";

export type OriginFailure = { readonly kind: "status"; readonly status: number } | { readonly kind: "unreachable" };

/** Whole seconds (RFC 9111 §4.2.3): what the Age field says. */
export function ageSeconds(_entry: Entry, _nowMs: number): number {
  throw new Error("under construction");
}

export function freshForSeconds(_entry: Entry, _context: PlanContext): number {
  throw new Error("under construction");
}

export function freshenFields(
  _entry: Entry,
  _head304: ResponseHead,
  _context: PlanContext & ExchangeTimes,
): (ExchangeTimes & { readonly fields: RawFields }) | "another" {
  throw new Error("under construction");
}

export function mayServeStale(
  _entry: Entry,
  _request: RequestView,
  _failure: OriginFailure,
  _context: PlanContext,
): boolean {
  throw new Error("under construction");
}
