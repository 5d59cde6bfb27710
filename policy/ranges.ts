import type { ByteRange } from "../core/entry.ts";

/** What a Range field asks of a representation of known length. */
export type RangeReading =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly range: ByteRange }
  | { readonly kind: "unsatisfiable" };

const WHOLE: RangeReading = { kind: "whole" };
const UNSATISFIABLE: RangeReading = { kind: "unsatisfiable" };

/** One range of bytes: `first-`, `first-last` or `-length` (RFC 9110 §14.1.2); unit names know no case (§14.1). */
const ONE_BYTE_RANGE = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

/**
 * Reads a Range field against a representation of `bytes` bytes. A field may always be ignored (RFC 9110 §14.2): another
 * unit, several ranges, and what is not a range at all get the whole.
 */
export function readRange(value: string | undefined, bytes: number): RangeReading {
  const match = value === undefined ? null : ONE_BYTE_RANGE.exec(value);
  if (match === null) return WHOLE;
  const [, first, last, suffix] = match;
  return suffix === undefined ? fromFirst(Number(first), last, bytes) : fromEnd(Number(suffix), bytes);
}

function fromFirst(first: number, lastText: string | undefined, bytes: number): RangeReading {
  const last = lastText === undefined || lastText === "" ? Infinity : Number(lastText);
  if (last < first) return WHOLE;
  if (first >= bytes) return UNSATISFIABLE;
  return { kind: "part", range: { first, last: Math.min(last, bytes - 1) } };
}

/** The last `length` bytes; of a shorter representation all of it. */
function fromEnd(length: number, bytes: number): RangeReading {
  if (length === 0 || bytes === 0) return UNSATISFIABLE;
  return { kind: "part", range: { first: Math.max(0, bytes - length), last: bytes - 1 } };
}

/** Whether a Range field, read before the length is known, asks for everything anyway. */
export function isWholeRange(value: string): boolean {
  return /^bytes=[ \t]*0+-[ \t]*$/i.test(value);
}

/** The Content-Range of a 206 (RFC 9110 §14.4). */
export function contentRange({ first, last }: ByteRange, bytes: number): string {
  return `bytes ${first}-${last}/${bytes}`;
}
