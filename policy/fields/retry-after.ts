import { fieldValue } from "../../core/fields.ts";
import type { ResponseHead } from "../plan.ts";
import { parseHttpDate } from "./http-date.ts";

/**
 * How long Retry-After wants a client to wait (RFC 9110 §10.2.3), in milliseconds; `undefined` where it is absent or
 * cannot be read. A date counts from the answer's own Date, so that the two clocks need not agree.
 */
export function retryAfterMs({ fields }: ResponseHead, nowMs: number): number | undefined {
  const value = fieldValue(fields, "retry-after")?.trim();
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const untilMs = parseHttpDate(value);
  if (untilMs === undefined) return undefined;
  return Math.max(0, untilMs - (parseHttpDate(fieldValue(fields, "date")) ?? nowMs));
}
