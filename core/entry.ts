import type { Digest } from "./digest.ts";
import type { RawFields } from "./fields.ts";

/** Inclusive byte offsets, already checked against the length of the representation (RFC 9110 §14.1.2). */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** Whose answer it is: `public`, or a hash of origin and credentials (a digest). */
export type Realm = string;

export const PUBLIC_REALM: Realm = "public";

/** What kind of thing a URI names (the words of docs/architecture.md). */
export type ResourceClass = "payload" | "root" | "member" | "other";

/** Where an entry stands: the target URI with its method, the variant that Vary selected, and the realm. */
export interface EntryKey {
  /** `GET <target URI>`. */
  readonly key: string;
  /** Canonical text of the selecting request fields (RFC 9111 §4.1); empty without Vary. */
  readonly variant: string;
  readonly realm: Realm;
}

/** What the index knows of one cache key: a stored response (RFC 9111 §2) whose body is a blob. */
export interface Entry extends EntryKey {
  readonly status: number;
  /** The stored response fields, hop-by-hop fields removed. */
  readonly fields: RawFields;
  /** The request fields that Vary names, as they were sent; empty without Vary. */
  readonly selecting: RawFields;
  readonly digest: Digest;
  readonly bytes: number;
  /**
   * When the request that stored or last freshened it was sent, and when its response head arrived (RFC 9111 §4.2.3).
   */
  readonly requestMs: number;
  readonly responseMs: number;
  /** When its body was stored; freshening leaves it. */
  readonly storedMs: number;
  /** What its URI names; eviction takes payloads and *other* (or nothing said) before roots and members. */
  readonly class?: ResourceClass;
}

export function entryKeyOf(method: string, uri: string): string {
  return `${method} ${uri}`;
}

/** Bodies up to this length are read and sent whole, and kept in memory while they are popular. */
export const SMALL_BODY_BYTES = 64 * 1024;
