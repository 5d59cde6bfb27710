import { randomUUID } from "node:crypto";
import type { ByteRange } from "../../core/entry.ts";
import { fieldValue, type RawFields, withoutFields } from "../../core/fields.ts";
import { contentRange, readRange } from "../../policy/fields/ranges.ts";
import { partOf } from "../../policy/parts.ts";
import {
  evaluatePreconditions,
  isRangeStillValid,
  type Representation as Validators,
} from "../../policy/preconditions.ts";
import { layOutParts, type Multipart } from "./multipart.ts";
import type { Reply } from "./reply.ts";

/** A response that larder holds, or is receiving, and can answer from. */
export interface Representation {
  readonly status: number;
  /** Fit for the client: hop-by-hop fields gone, Via added; without Content-Length and Age. */
  readonly fields: RawFields;
  /** `undefined` while the length is not known. */
  readonly bytes: number | undefined;
  /** Its bytes are what their repository declares: only the tag that says so tells whether a part belongs to them. */
  readonly isVerified?: boolean;
  /** The origin's own entity tag, where larder has put another in its place: a client may still hold it. */
  readonly originEtag?: string | undefined;
}

/** What of a representation a request is to get, and with which head. */
export interface Selection {
  readonly status: number;
  readonly fields: readonly string[];
  /** The bytes to send: a range, several, all, or none. */
  readonly part: ByteRange | Multipart | "whole" | "none";
}

/** The fields that a 304 must carry (RFC 9110 §15.4.5), and those that tell how it came. */
const IN_NOT_MODIFIED: ReadonlySet<string> = new Set([
  "cache-control",
  "content-location",
  "date",
  "etag",
  "expires",
  "last-modified",
  "vary",
  "via",
]);
const CONTENT_FIELDS: ReadonlySet<string> = new Set([
  "content-length",
  "content-range",
  "content-type",
  "content-encoding",
]);

const CONTENT_TYPE: ReadonlySet<string> = new Set(["content-type"]);
const CONTENT_RANGE: ReadonlySet<string> = new Set(["content-range"]);

/** Applies the client's preconditions and range to a representation: RFC 9110 §13.2.2, §14.2. */
export function select({ request, ignoresRange }: Reply, representation: Representation): Selection {
  const { status, fields, bytes } = representation;
  const { headers } = request;
  const method = request.method ?? "GET";
  const held = partOf(representation);
  const isPlain =
    headers.range === undefined && headers["if-none-match"] === undefined && !hasRarePrecondition(headers);
  if (isPlain || (status !== 200 && held === undefined)) return whole(representation);

  const totalBytes = held?.totalBytes ?? bytes;
  const validators = {
    status,
    etag: fieldValue(fields, "etag"),
    lastModified: fieldValue(fields, "last-modified"),
    date: fieldValue(fields, "date"),
  };
  const verdict = evaluate(headers, validators, { method, originEtag: representation.originEtag });
  if (verdict === "not-modified") return { status: 304, fields: notModifiedFields(fields), part: "none" };
  if (verdict === "failed") return { status: 412, fields: ["Content-Length", "0"], part: "none" };

  const mayRange =
    method === "GET" &&
    ignoresRange !== true &&
    totalBytes !== undefined &&
    isRangeStillValid(headers["if-range"] as string | undefined, {
      ...validators,
      ...(representation.isVerified === true ? { lastModified: undefined } : {}),
    });
  const wanted = mayRange ? readRange(headers.range, totalBytes) : ({ kind: "whole" } as const);
  if (wanted.kind === "whole") return whole(representation);
  if (wanted.kind === "unsatisfiable") {
    const rest = withoutFields(fields, CONTENT_FIELDS);
    return {
      status: 416,
      fields: [...rest, "Content-Range", `bytes */${totalBytes}`, "Content-Length", "0"],
      part: "none",
    };
  }
  if (wanted.kind === "parts") return parts(representation, wanted.ranges);
  const { range } = wanted;
  const { first: from, last: to } = held?.range ?? { first: 0, last: range.last };
  // An origin may give another part than it was asked for (RFC 9110 §15.3.7).
  if (range.first < from || range.last > to) return whole(representation);
  return {
    status: 206,
    fields: [
      ...(held === undefined ? fields : withoutFields(fields, CONTENT_RANGE)),
      "Content-Range",
      contentRange(range, totalBytes as number),
      "Content-Length",
      String(range.last - range.first + 1),
    ],
    part: { first: range.first - from, last: range.last - from },
  };
}

/** Several ranges: RFC 9110 §15.3.7.2. */
function parts({ fields, bytes = 0 }: Representation, ranges: readonly ByteRange[]): Selection {
  const boundary = randomUUID();
  const part = layOutParts(ranges, { contentType: fieldValue(fields, "content-type"), bytes, boundary });
  const rest = withoutFields(fields, CONTENT_TYPE);
  return {
    status: 206,
    fields: [...rest, "Content-Type", part.contentType, "Content-Length", String(part.bytes)],
    part,
  };
}

function whole({ status, fields, bytes }: Representation): Selection {
  const mayHaveContent = status !== 204 && status !== 304;
  return {
    status,
    fields: bytes === undefined || !mayHaveContent ? fields : [...fields, "Content-Length", String(bytes)],
    part: "whole",
  };
}

/** A client that holds the same bytes under the origin's tag has not been given other ones. */
function evaluate(
  headers: Reply["request"]["headers"],
  validators: Validators,
  { method, originEtag }: { readonly method: string; readonly originEtag: string | undefined },
): ReturnType<typeof evaluatePreconditions> {
  const verdict = evaluatePreconditions(headers, validators, method);
  if (verdict !== "proceed" || originEtag === undefined || headers["if-none-match"] === undefined) return verdict;
  return evaluatePreconditions(
    { "if-none-match": headers["if-none-match"] },
    { ...validators, etag: originEtag },
    method,
  );
}

function hasRarePrecondition(headers: Reply["request"]["headers"]): boolean {
  return (
    headers["if-modified-since"] !== undefined ||
    headers["if-match"] !== undefined ||
    headers["if-unmodified-since"] !== undefined
  );
}

function notModifiedFields(fields: RawFields): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const line = fields[i] as string;
    if (IN_NOT_MODIFIED.has(line.toLowerCase())) kept.push(line, fields[i + 1] as string);
  }
  return kept;
}
