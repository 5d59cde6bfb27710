import type { RawFields } from "../../core/fields.ts";
import type { ForwardReason } from "../plan.ts";

/** What one cache did with one request: the parameters of RFC 9211 §2. */
export interface CacheStatus {
  readonly hit?: boolean | undefined;
  /** Why the request went forward; excludes `hit`. */
  readonly fwd?: ForwardReason | undefined;
  /** The status that the next server gave, where it is not the status of this response. */
  readonly fwdStatus?: number | undefined;
  readonly stored?: boolean | undefined;
  readonly collapsed?: boolean | undefined;
  /** Whole seconds of freshness left; negative when stale. */
  readonly ttl?: number | undefined;
  readonly key?: string | undefined;
  readonly detail?: string | undefined;
}

/** Writes the member that this cache adds to Cache-Status (RFC 9211 §2), as a structured-fields item (RFC 9651). */
export function formatCacheStatus(name: string, status: CacheStatus): string {
  let member = formatToken(name);
  if (status.hit === true) member += "; hit";
  if (status.fwd !== undefined) member += `; fwd=${status.fwd}`;
  if (status.fwdStatus !== undefined) member += `; fwd-status=${status.fwdStatus}`;
  if (status.stored === true) member += "; stored";
  if (status.collapsed === true) member += "; collapsed";
  if (status.ttl !== undefined) member += `; ttl=${Math.trunc(status.ttl)}`;
  if (status.key !== undefined) member += `; key=${formatString(status.key)}`;
  if (status.detail !== undefined) member += `; detail=${formatToken(status.detail)}`;
  return member;
}

/** The fields with our member after those of the caches nearer to the origin, which come first (RFC 9211 §2). */
export function withCacheStatus(fields: RawFields, member: string): string[] {
  return [...fields, "Cache-Status", member];
}

const SF_TOKEN = /^[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*$/;

function formatToken(text: string): string {
  return SF_TOKEN.test(text) ? text : formatString(text);
}

/** Strings hold printable ASCII; whatever else a URI may hold is shown as `?`. */
function formatString(text: string): string {
  return `"${text.replace(/[^ -~]/g, "?").replace(/["\\]/g, "\\$&")}"`;
}
