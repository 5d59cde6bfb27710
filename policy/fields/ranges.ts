import type { ByteRange } from "../../core/entry.ts";

/** What a Range field asks of a representation of known length. */
export type RangeReading =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly range: ByteRange }
  | { readonly kind: "parts"; readonly ranges: readonly ByteRange[] }
  | { readonly kind: "unsatisfiable" };

type OneReading = Exclude<RangeReading, { readonly kind: "parts" }>;

const WHOLE: OneReading = { kind: "whole" };
const UNSATISFIABLE: OneReading = { kind: "unsatisfiable" };

/** Ranges of bytes (RFC 9110 §14.1.2); unit names know no case (§14.1). */
const BYTE_RANGES = /^bytes=(.*)$/i;
/** One of them: `first-`, `first-last` or `-length`. */
const BYTE_RANGE = /^(?:(\d+)-(\d*)|-(\d+))$/;
/** More than any client has a use for: each costs a head of its own, and a read of the disk (RFC 9110 §17.15). */
const MAX_RANGES = 32;

/**
 * Reads a Range field against a representation of `bytes` bytes. A field may always be ignored (RFC 9110 §14.2):
 * another unit, what is not a range at all, and too many ranges get the whole.
 */
export function readRange(value: string | undefined, bytes: number): RangeReading {
  const specs = value === undefined ? undefined : BYTE_RANGES.exec(value)?.[1]?.split(",", MAX_RANGES + 1);
  if (specs === undefined || specs.length > MAX_RANGES) return WHOLE;
  // Empty members of a list mean nothing (RFC 9110 §5.6.1.2).
  const readings = specs
    .map((spec) => spec.trim())
    .filter((spec) => spec !== "")
    .map((spec) => readOne(spec, bytes));
  if (readings.length === 0 || readings.some(({ kind }) => kind === "whole")) return WHOLE;
  const ranges = readings.flatMap((reading) => (reading.kind === "part" ? [reading.range] : []));
  const [first, ...others] = coalesce(ranges);
  if (first === undefined) return UNSATISFIABLE;
  return others.length === 0 ? { kind: "part", range: first } : { kind: "parts", ranges: [first, ...others] };
}

function readOne(spec: string, bytes: number): OneReading {
  const match = BYTE_RANGE.exec(spec);
  if (match === null) return WHOLE;
  const [, first, last, suffix] = match;
  return suffix === undefined ? fromFirst(Number(first), last, bytes) : fromEnd(Number(suffix), bytes);
}

/**
 * As they were asked for, unless some overlap or touch: these are made one, and all are given in order (RFC 9110
 * §15.3.7.2).
 */
function coalesce(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const merged: { first: number; last: number }[] = [];
  for (const { first, last } of [...ranges].sort((one, other) => one.first - other.first)) {
    const before = merged.at(-1);
    if (before === undefined || first > before.last + 1) merged.push({ first, last });
    else before.last = Math.max(before.last, last);
  }
  return merged.length === ranges.length ? ranges : merged;
}

function fromFirst(first: number, lastText: string | undefined, bytes: number): OneReading {
  const last = lastText === undefined || lastText === "" ? Infinity : Number(lastText);
  if (last < first) return WHOLE;
  if (first >= bytes) return UNSATISFIABLE;
  return { kind: "part", range: { first, last: Math.min(last, bytes - 1) } };
}

/** The last `length` bytes; of a shorter representation all of it. */
function fromEnd(length: number, bytes: number): OneReading {
  if (length === 0 || bytes === 0) return UNSATISFIABLE;
  return { kind: "part", range: { first: Math.max(0, bytes - length), last: bytes - 1 } };
}

/** Whether a Range field asks for everything: whatever the length is, or of so many bytes. */
export function isWholeRange(value: string, bytes?: number): boolean {
  if (/^bytes=[ \t]*0+-[ \t]*$/i.test(value)) return true;
  const asked = bytes === undefined ? undefined : readRange(value, bytes);
  return asked?.kind === "part" && asked.range.last - asked.range.first + 1 === bytes;
}

/** The Content-Range of a 206 (RFC 9110 §14.4). */
export function contentRange({ first, last }: ByteRange, bytes: number): string {
  return `bytes ${first}-${last}/${bytes}`;
}
