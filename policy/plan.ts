import type { Entry, Realm } from "../core/entry.ts";
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
}

/** The head of an origin's answer. */
export interface ResponseHead {
  readonly status: number;
  readonly fields: RawFields;
}

/** Why the origin is asked: the words of RFC 9211 §2.2. */
export type ForwardReason = "bypass" | "method" | "uri-miss" | "vary-miss" | "miss" | "request" | "stale" | "partial";

/** What is to be done with a request; carried out by proxy/exchange.ts. */
export type Plan =
  | {
      readonly action: "serve";
      readonly entry: Entry;
      readonly freshness: "fresh" | "stale";
      readonly ttlSeconds: number;
    }
  | {
      readonly action: "revalidate";
      readonly entry: Entry;
      readonly conditional: RawFields;
      readonly reason: ForwardReason;
    }
  | { readonly action: "fetch"; readonly reason: ForwardReason }
  | { readonly action: "pass"; readonly reason: ForwardReason; readonly detail?: string }
  | { readonly action: "refuse"; readonly code: "ONLY_IF_CACHED" };
