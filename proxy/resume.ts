import type { Declaration } from "../core/declaration.ts";
import { fieldValue, type RawFields } from "../core/fields.ts";
import type { ResponseHead } from "../policy/plan.ts";

/** What a cut answer needs to be continued: where it broke off, and how the rest proves that it belongs to it. */
export interface CutBody {
  /** The head of the answer that was cut. */
  readonly head: ResponseHead;
  readonly receivedBytes: number;
  /** With a declared digest a wrong rest is found out at the end, so no validator is needed. */
  readonly declared: Declaration | undefined;
}

/** Last-Modified is a strong validator only when it is this much older than the answer (RFC 9110 §8.8.2.2). */
const STRONG_AFTER_MS = 60_000;

/**
 * The fields that ask for the rest (RFC 9110 §14.2, §13.1.5), or `undefined` when nothing could tell that it is the rest of
 * the same representation.
 */
export function continuationFields({ head, receivedBytes, declared }: CutBody): RawFields | undefined {
  const validator = strongValidator(head);
  if (validator === undefined && declared === undefined) return undefined;
  const range = ["Range", `bytes=${receivedBytes}-`];
  return validator === undefined ? range : [...range, "If-Range", validator];
}

/** Whether an answer is the rest that was asked for: a 206 from there on, of the same representation and length. */
export function isContinuation(answer: ResponseHead, { head, receivedBytes }: CutBody): boolean {
  if (answer.status !== 206) return false;
  const parts = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(fieldValue(answer.fields, "content-range") ?? "");
  if (parts === null || Number(parts[1]) !== receivedBytes) return false;
  const total = fieldValue(head.fields, "content-length");
  if (total !== undefined && (Number(parts[2]) !== Number(total) - 1 || (parts[3] !== "*" && parts[3] !== total)))
    return false;
  if (fieldValue(answer.fields, "content-encoding") !== fieldValue(head.fields, "content-encoding")) return false;
  const validator = strongValidator(head);
  const etag = fieldValue(answer.fields, "etag");
  return validator === undefined || !validator.startsWith('"') || etag === undefined || etag === validator;
}

function strongValidator({ fields }: ResponseHead): string | undefined {
  const etag = fieldValue(fields, "etag");
  if (etag !== undefined) return etag.startsWith('"') ? etag : undefined;
  const modified = fieldValue(fields, "last-modified");
  const date = fieldValue(fields, "date");
  if (modified === undefined || date === undefined) return undefined;
  return Date.parse(date) - Date.parse(modified) >= STRONG_AFTER_MS ? modified : undefined;
}
