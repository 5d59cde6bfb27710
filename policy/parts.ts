import type { ByteRange, Entry } from "../core/entry.ts";
import { type FieldRecord, fieldValue, type RawFields, withoutFields } from "../core/fields.ts";
import { isWeak } from "./fields/entity-tag.ts";
import { readRange } from "./fields/ranges.ts";
import type { Beginning, Coding, RequestView, ResponseHead } from "./plan.ts";
import { isRangeStillValid } from "./preconditions.ts";
import { variantOf } from "./selecting.ts";
import { updatedFields } from "./stored-fields.ts";

/** Which part of a representation a 206 holds. */
export interface Part {
  readonly range: ByteRange;
  /** Of the whole representation. */
  readonly totalBytes: number;
}

const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i;
/** A request with one of these asks for more than a part (RFC 9110 §13.1). */
const CONDITIONS = ["if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"];
const OF_A_PART: ReadonlySet<string> = new Set(["content-length", "content-range"]);

/** Reads the Content-Range of a 206 (RFC 9110 §14.4); `undefined` where it has none, or its length says otherwise. */
export function partOf({ status, fields }: ResponseHead): Part | undefined {
  if (status !== 206) return undefined;
  const match = CONTENT_RANGE.exec(fieldValue(fields, "content-range") ?? "");
  if (match === null) return undefined;
  const [first, last, totalBytes] = match.slice(1).map(Number) as [number, number, number];
  const length = fieldValue(fields, "content-length") ?? String(last - first + 1);
  if (first > last || last >= totalBytes || Number(length) !== last - first + 1) return undefined;
  return { range: { first, last }, totalBytes };
}

/**
 * Whether an answer is a part that was asked for, and less than the whole. Of several parts at once only their framing
 * tells, which is their reader's to look at.
 * @param bytes of the whole, where they are known
 */
export function isPartAskedFor(value: string | undefined, head: ResponseHead, bytes: number | undefined): boolean {
  const part = partOf(head);
  if (part === undefined)
    return head.status === 206 && /^multipart\/byteranges\b/i.test(fieldValue(head.fields, "content-type") ?? "");
  const { range, totalBytes } = part;
  const isLess = range.last - range.first + 1 < totalBytes;
  if (!isLess || (bytes !== undefined && bytes !== totalBytes)) return false;
  const asked = readRange(value, totalBytes);
  if (asked.kind === "parts") return true;
  return asked.kind === "part" && asked.range.first === range.first && asked.range.last === range.last;
}

/** The variant under which a part is stored: beside the whole, and beside other parts. */
export function partVariant(variant: string, { first, last }: ByteRange): string {
  return `${variant}bytes=${first}-${last}`;
}

/** Whether the answer to this request is worth keeping although it is a part: one range, and no conditions. */
export function asksForPart(record: FieldRecord): boolean {
  const { range } = record;
  if (typeof range !== "string" || !/^bytes=[\d -]+$/i.test(range)) return false;
  return CONDITIONS.every((name) => record[name] === undefined);
}

/** The newest stored part that holds all of the range that is asked for. */
export function partFor(request: RequestView, entries: readonly Entry[], coding: Coding): Entry | undefined {
  const { range, "if-range": ifRange } = request.record;
  if (request.method !== "GET" || typeof range !== "string") return undefined;
  return entries.find((entry) => {
    const part = selectedPart(entry, request, coding);
    if (part === undefined) return false;
    const wanted = readRange(range, part.totalBytes);
    const isInside =
      wanted.kind === "part" && wanted.range.first >= part.range.first && wanted.range.last <= part.range.last;
    return isInside && isRangeStillValid(typeof ifRange === "string" ? ifRange : undefined, validatorsOf(entry));
  });
}

/**
 * The beginning of the newest representation that a strong entity tag tells from others; `undefined` where none is
 * stored.
 */
export function beginningOf(request: RequestView, entries: readonly Entry[], coding: Coding): Beginning | undefined {
  const parts = entries.flatMap((entry) => {
    const part = selectedPart(entry, request, coding);
    const etag = fieldValue(entry.fields, "etag");
    return part === undefined || etag === undefined || isWeak(etag) ? [] : [{ ...part, etag, entry }];
  });
  const newest = parts.find(({ range }) => range.first === 0);
  if (newest === undefined) return undefined;
  const { etag, totalBytes } = newest;
  const pieces: { entry: Entry; range: ByteRange }[] = [];
  let nextByte = 0;
  for (;;) {
    const next = parts
      .filter((part) => part.etag === etag && part.totalBytes === totalBytes)
      .find(({ range }) => range.first <= nextByte && range.last >= nextByte);
    // The last byte is asked for in any case: that shows whether what is stored is still the representation.
    if (next === undefined || next.range.last === totalBytes - 1) break;
    pieces.push({ entry: next.entry, range: { first: nextByte, last: next.range.last } });
    nextByte = next.range.last + 1;
  }
  return pieces.length === 0 ? undefined : { pieces, nextByte, totalBytes, etag };
}

/** The fields that ask for the rest, or for the whole where it has changed (RFC 9110 §13.1.5). */
export function restFields({ nextByte, etag }: Beginning): RawFields {
  return ["Range", `bytes=${nextByte}-`, "If-Range", etag];
}

/**
 * The head of the whole that a beginning and its rest make (RFC 9111 §3.4).
 * @returns `undefined` when the answer is not the rest
 */
export function completedHead(
  { pieces, nextByte, totalBytes, etag }: Beginning,
  rest: ResponseHead,
): ResponseHead | undefined {
  const part = partOf(rest);
  const [piece] = pieces;
  if (part === undefined || piece === undefined || part.totalBytes !== totalBytes) return undefined;
  if (part.range.first !== nextByte || part.range.last !== totalBytes - 1) return undefined;
  if ((fieldValue(rest.fields, "etag") ?? etag) !== etag) return undefined;
  const fields = withoutFields(updatedFields(piece.entry.fields, rest.fields), OF_A_PART);
  return { status: 200, fields: [...fields, "Content-Length", String(totalBytes)] };
}

/**
 * The head of what came of an answer before it was cut (RFC 9111 §3.3).
 * @returns `undefined` when nothing could ever tell that a rest belongs to it
 */
export function headOfCut(
  { status, fields }: ResponseHead,
  bytes: number,
  totalBytes: number,
): ResponseHead | undefined {
  const etag = fieldValue(fields, "etag");
  if (status !== 200 || bytes === 0 || bytes >= totalBytes || etag === undefined || isWeak(etag)) return undefined;
  const range = ["Content-Range", `bytes 0-${bytes - 1}/${totalBytes}`, "Content-Length", String(bytes)];
  return { status: 206, fields: [...withoutFields(fields, OF_A_PART), ...range] };
}

function selectedPart(entry: Entry, request: RequestView, coding: Coding): Part | undefined {
  const part = partOf(entry);
  if (part === undefined) return undefined;
  const variant = variantOf(entry.fields, request, coding)?.variant;
  return variant !== undefined && partVariant(variant, part.range) === entry.variant ? part : undefined;
}

function validatorsOf({ status, fields }: Entry) {
  const [etag, lastModified, date] = ["etag", "last-modified", "date"].map((name) => fieldValue(fields, name));
  return { status, etag, lastModified, date };
}
