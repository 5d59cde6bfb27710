import type { Clock } from "../../core/clock.ts";
import type { Declaration } from "../../core/declaration.ts";
import { type Entry, entryKeyOf, type Realm } from "../../core/entry.ts";
import { parseTarget, type TargetUri } from "../../core/target.ts";
import { classify } from "../../ecosystems/classify.ts";
import type { Classification } from "../../ecosystems/ecosystem.ts";
import { declaredNames } from "../../ecosystems/repository-path.ts";
import { certificateShownTo, type OriginAccess } from "../../policy/access/origin-access.ts";
import { mayIntercept } from "../../policy/access/tunnels.ts";
import { decide } from "../../policy/decide.ts";
import type { Plan } from "../../policy/plan.ts";
import { sharedRealmOf } from "../../policy/realm.ts";
import type { DeclarationIndex } from "../../storage/declarations.ts";
import type { Store } from "../../storage/store.ts";
import type { Settings } from "../settings/config.ts";
import { tunnelPatterns } from "../settings/proxy-settings.ts";

/** What larder knows of a URI, and what a plain GET without credentials would get now. */
export interface Explanation {
  readonly uri: string;
  readonly classification: Classification;
  /**
   * Stored answers that anybody may have who may come in, newest first. Those of others' realms are told to nobody: RFC
   * 9211 §6.
   */
  readonly entries: readonly Pick<Entry, "variant" | "status" | "digest" | "bytes" | "responseMs" | "storedMs">[];
  /** What its repository declares about it, by the newest generation. */
  readonly declaration?: DeclarationSummary;
  readonly plan: PlanSummary;
  /** The plan as a sentence. */
  readonly because: string;
}

export interface DeclarationSummary extends Declaration {
  readonly kind: "payload" | "member";
  /** The URL prefix under which the declaration holds. */
  readonly base: string;
  /** The document that declares it, and the root of its generation. */
  readonly declaredBy: string;
  readonly root: { readonly uri: string; readonly digest: string; readonly seenMs: number };
  /** The stored blob that has the declared digest. */
  readonly blob: string | undefined;
}

/** A plan without the entry; `tunnel` where larder would not even see the request. */
export interface PlanSummary {
  readonly action: Plan["action"] | "tunnel";
  readonly reason?: string;
  readonly ttlSeconds?: number;
}

interface ExplainDependencies {
  readonly store: Pick<Store, "find">;
  readonly declarations: Pick<DeclarationIndex, "find" | "findBlob">;
  readonly clock: Clock;
  readonly settings: Pick<Settings, "rootFreshFor" | "intercept" | "tunnel">;
  readonly originAccess: readonly OriginAccess[];
}

/** @throws LarderError `BAD_TARGET`, `UNKNOWN_SCHEME` or `USERINFO_IN_TARGET` */
export function explain(uri: string, dependencies: ExplainDependencies): Explanation {
  const { store, clock, settings, originAccess } = dependencies;
  const target = parseTarget(uri);
  const realm = sharedRealmOf(target, certificateShownTo(target, originAccess));
  const classification = classify(target);
  const found = store.find(entryKeyOf("GET", target.uri)).filter((entry) => entry.realm === realm);
  const facts = { uri: target.uri, classification, entries: found.map(summaryOf) };
  if (target.scheme === "https" && !mayIntercept(target.host, tunnelPatterns(settings, originAccess)))
    return {
      ...facts,
      plan: { action: "tunnel" },
      because: "passed through unopened: a tunnel pattern covers the host",
    };
  const declaration = classification.class === "root" ? undefined : declarationOf(target, realm, dependencies);
  if (declaration !== undefined) return { ...facts, declaration, ...planForDeclared(declaration) };
  const plan = decide({ method: "GET", target, fields: [], record: {}, realm, sharedRealm: realm }, found, {
    nowMs: clock(),
    class: classification.class,
    rootFreshForMs: settings.rootFreshFor,
    coding: classification.coding,
    isImmutable: classification.isImmutable,
  });
  const reason = "reason" in plan ? { reason: plan.reason } : {};
  const ttl = "ttlSeconds" in plan ? { ttlSeconds: plan.ttlSeconds } : {};
  return { ...facts, plan: { action: plan.action, ...reason, ...ttl }, because: sentenceOf(plan) };
}

function declarationOf(
  target: TargetUri,
  realm: Realm,
  { declarations, clock }: Pick<ExplainDependencies, "declarations" | "clock">,
): DeclarationSummary | undefined {
  const [found] = declaredNames(target).flatMap((name) => declarations.find(name, { realm, nowMs: clock() }) ?? []);
  if (found === undefined) return undefined;
  const { kind, base, declaredBy, root, declaration } = found;
  return {
    ...declaration,
    kind,
    base,
    declaredBy,
    root,
    blob: declarations.findBlob(declaration, realm)?.digest,
  };
}

function planForDeclared({ blob }: DeclarationSummary): Pick<Explanation, "plan" | "because"> {
  if (blob !== undefined)
    return {
      plan: { action: "serve" },
      because: "served from the store, no origin asked: a blob has the declared digest",
    };
  return {
    plan: { action: "fetch", reason: "uri-miss" },
    because: "fetched from the origin or a mirror, and sent to its end only if it has the declared digest",
  };
}

function summaryOf({ variant, status, digest, bytes, responseMs, storedMs }: Entry): Explanation["entries"][number] {
  return { variant, status, digest, bytes, responseMs, storedMs };
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
