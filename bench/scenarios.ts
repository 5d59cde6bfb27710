import type { Kind } from "./programs/protocol.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** What is asked of every contestant in each round. */
export interface Scenario {
  readonly name: string;
  readonly kind: Kind;
  readonly bytes: number;
  /** Requests of one round. */
  readonly requests: number;
  /** Different URIs among them. */
  readonly distinct: number;
  /** Kept-alive connections that the requests are spread over. */
  readonly connections: number;
  /** What its cost is divided by. */
  readonly per: "request" | "GB";
}

/**
 * Requests are so many that the quickest contestant spends at least ten clock ticks a round. A large miss is one a
 * round and of half the length, because every contestant keeps all it has fetched until the end of the run.
 */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "small-hits",
    kind: "hits",
    bytes: 10 * KIB,
    requests: 20_000,
    distinct: 1_000,
    connections: 8,
    per: "request",
  },
  { name: "large-hits", kind: "hits", bytes: 256 * MIB, requests: 4, distinct: 1, connections: 2, per: "GB" },
  {
    name: "small-misses",
    kind: "misses",
    bytes: 10 * KIB,
    requests: 4_000,
    distinct: 4_000,
    connections: 8,
    per: "request",
  },
  { name: "large-misses", kind: "misses", bytes: 128 * MIB, requests: 1, distinct: 1, connections: 1, per: "GB" },
];

/** By how much the CPU seconds of one round are divided. */
export function unitsOf({ per, requests, bytes }: Scenario): number {
  return per === "request" ? requests : (requests * bytes) / 1e9;
}
