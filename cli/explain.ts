import type { Clock } from "../core/clock.ts";
import { type Entry, entryKeyOf, PUBLIC_REALM } from "../core/entry.ts";
import { parseTarget } from "../core/target.ts";
import { classify } from "../ecosystems/classify.ts";
import type { Classification } from "../ecosystems/ecosystem.ts";
import { decide } from "../policy/decide.ts";
import type { Plan } from "../policy/plan.ts";
import type { Store } from "../storage/store.ts";

/** What larder knows of a URI, and what a plain GET without credentials would get now. */
export interface Explanation {
  readonly uri: string;
  readonly classification: Classification;
  /** Stored answers that anybody may have, newest first. Those of a realm are told to nobody: RFC 9211 §6. */
  readonly entries: readonly Pick<Entry, "variant" | "status" | "digest" | "bytes" | "responseMs" | "storedMs">[];
  readonly plan: Pick<Plan, "action"> & { readonly reason?: string; readonly ttlSeconds?: number };
  /** The plan as a sentence. */
  readonly because: string;
}

interface ExplainDependencies {
  readonly store: Pick<Store, "find">;
  readonly clock: Clock;
  readonly rootFreshForMs: number;
}

/** @throws LarderError `BAD_TARGET`, `UNKNOWN_SCHEME` or `USERINFO_IN_TARGET` */
export function explain(uri: string, { store, clock, rootFreshForMs }: ExplainDependencies): Explanation {
  const target = parseTarget(uri);
  const classification = classify(target, undefined);
  const found = store.find(entryKeyOf("GET", target.uri)).filter(({ realm }) => realm === PUBLIC_REALM);
  const request = { method: "GET", target, fields: [], record: {}, realm: PUBLIC_REALM };
  const { class: resourceClass, coding } = classification;
  const plan = decide(request, found, { nowMs: clock(), class: resourceClass, rootFreshForMs, coding });
  return {
    uri: target.uri,
    classification,
    entries: found.map(({ variant, status, digest, bytes, responseMs, storedMs }) => ({
      variant,
      status,
      digest,
      bytes,
      responseMs,
      storedMs,
    })),
    plan: {
      action: plan.action,
      ...("reason" in plan ? { reason: plan.reason } : {}),
      ...("ttlSeconds" in plan ? { ttlSeconds: plan.ttlSeconds } : {}),
    },
    because: sentenceOf(plan),
  };
}

function sentenceOf(plan: Plan): string {
  switch (plan.action) {
    case "serve":
      return plan.freshness === "fresh"
        ? `served from the store, no origin asked: fresh for ${plan.ttlSeconds} s more`
        : "served from the store although stale";
    case "revalidate":
      return `the origin is asked whether the stored answer still holds (${REASONS[plan.reason]})`;
    case "fetch":
      return `fetched from the origin and stored if that is allowed (${REASONS[plan.reason]})`;
    case "pass":
      return `passed to the origin and not stored (${plan.detail ?? REASONS[plan.reason]})`;
    case "refuse":
      return `refused: ${plan.code}`;
    default:
      return plan satisfies never;
  }
}

/** RFC 9211 §2.2 in plain words. */
const REASONS: Readonly<Record<Extract<Plan, { readonly reason: unknown }>["reason"], string>> = {
  bypass: "larder is told to leave it alone",
  method: "the method is not one that a cache answers",
  "uri-miss": "nothing is stored under this URI",
  "vary-miss": "what is stored answers requests with other fields",
  miss: "nothing stored fits",
  request: "the request demands it",
  stale: "the stored answer is stale",
  partial: "only a part is stored",
};
