import type { ByteRange, Entry, Realm, ResourceClass } from "../core/entry.ts";
import type { FieldRecord, RawFields } from "../core/fields.ts";
import type { TargetUri } from "../core/target.ts";

/** What a request says, in the shape that decisions read. */
export interface RequestView {
  readonly method: string;
  readonly target: TargetUri;
  /** End-to-end fields as they came. */
  readonly fields: RawFields;
  readonly record: FieldRecord;
  readonly realm: Realm;
  /**
   * The realm of whoever brings no credentials: `public`, or that of the certificate which larder shows to this origin.
   */
  readonly sharedRealm: Realm;
}

/** What the decisions know beside the request and the stored entries. */
export interface PlanContext {
  readonly nowMs: number;
  readonly class: ResourceClass;
  /** Upper bound of a root's freshness; 0 = always revalidate. */
  readonly rootFreshForMs: number;
  readonly coding: Coding;
  /** Targeted fields that stand in for Cache-Control, the first most: RFC 9213. */
  readonly targets?: readonly string[] | undefined;
  /** The format never gives the name to other bytes: heuristics may trust it. */
  readonly isImmutable?: boolean | undefined;
  /** How long an answer is fresh that says that there is none. */
  readonly missingFreshForMs?: number | undefined;
  /** All that the root names is stored, and it says nothing else: asking for it anew would change nothing. */
  readonly isComplete?: boolean | undefined;
}

/**
 * The content coding in which a resource is asked for and stored; `asked` leaves it to the client's Accept-Encoding.
 */
export type Coding = "identity" | "gzip" | "asked";

/** When a request was sent and when the head of its answer arrived (RFC 9111 §4.2.3). */
export interface ExchangeTimes {
  readonly requestMs: number;
  readonly responseMs: number;
}

/** The head of an origin's answer. */
export interface ResponseHead {
  readonly status: number;
  readonly fields: RawFields;
}

/** Why the origin is asked: the words of RFC 9211 §2.2. */
export type ForwardReason = "bypass" | "method" | "uri-miss" | "vary-miss" | "miss" | "request" | "stale" | "partial";

/**
 * Stored parts that together are the beginning of a representation, and what the rest must prove to belong to it (RFC
 * 9111 §3.4).
 */
export interface Beginning {
  /**
   * In their order; each covers the bytes of the representation that its range tells, from where the one before ends.
   */
  readonly pieces: readonly { readonly entry: Entry; readonly range: ByteRange }[];
  readonly nextByte: number;
  readonly totalBytes: number;
  /** Strong, and that of every piece. */
  readonly etag: string;
}

/** What is to be done with a request: made by policy/decide.ts, carried out by proxy/exchange/exchange.ts. */
export type Plan =
  | {
      readonly action: "serve";
      readonly entry: Entry;
      readonly freshness: "fresh" | "stale";
      readonly ttlSeconds: number;
      /** The conditions under which the origin is asked behind the answer (RFC 5861 §3); `undefined`: it is not. */
      readonly revalidateBehind?: RawFields;
    }
  | {
      readonly action: "revalidate";
      /** Is served stale where the origin cannot answer, and may be. */
      readonly entry: Entry;
      /** Empty when the stored response has no validator: then it is asked for anew. */
      readonly conditional: RawFields;
      readonly reason: ForwardReason;
    }
  | {
      readonly action: "fetch";
      readonly reason: ForwardReason;
      /** Only the part that the client asks for, to be stored as such. */
      readonly isPart?: boolean;
      /** Stored parts that only want the rest. */
      readonly beginning?: Beginning;
    }
  | {
      readonly action: "pass";
      readonly reason: ForwardReason;
      readonly detail?: string;
      /** The stored response that the answer to a HEAD freshens, or shows to be another (RFC 9111 §4.3.5). */
      readonly freshens?: Entry;
    }
  | { readonly action: "refuse"; readonly code: "ONLY_IF_CACHED" };
