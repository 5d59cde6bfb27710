import { setTimeout as sleep } from "node:timers/promises";
import { formatAuthority, type HostPort } from "../core/target.ts";
import type { CacheFacts } from "./probe.ts";

/** How a place came to be known; in the order in which they are believed. */
export const METHODS = ["override", "environment", "dns", "mdns", "dns-sd", "neighbour", "last-known"] as const;
export type Method = (typeof METHODS)[number];

/** A way to find places. */
export interface Source {
  readonly method: Method;
  /** Whether what it names may be a proxy: what anybody on the link may answer is good for what is signed, and nothing else. */
  readonly isTrusted: boolean;
  /** Places as IP literals, best first; what rejects names none. */
  find(signal: AbortSignal): Promise<readonly HostPort[]>;
}

/** A place that answered as a cache. */
export interface FoundCache extends CacheFacts {
  readonly method: Method;
  readonly isTrusted: boolean;
  /** An IP literal and port. */
  readonly place: HostPort;
}

/** One line of `--explain`. */
export interface Attempt {
  readonly method: Method;
  /** `host:port`, or `-` where the method named no place. */
  readonly address: string;
  readonly milliseconds: number;
  readonly verdict: string;
}

export interface Resolution {
  readonly found: FoundCache | undefined;
  readonly attempts: readonly Attempt[];
}

export interface ResolveOptions {
  /** Everything ends then, whatever hangs. */
  readonly deadlineMs: number;
  readonly probe: (place: HostPort, signal: AbortSignal) => Promise<CacheFacts>;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** How long a better place may still answer once a worse one has. */
const GRACE_MS = 300;

/**
 * Asks every source and every place at the same time, and takes the best that answers as a cache: the order of {@link METHODS}, for
 * as long as one may wait. Never rejects.
 */
export async function resolveCache(sources: readonly Source[], options: ResolveOptions): Promise<Resolution> {
  const abort = new AbortController();
  const attempts: Attempt[] = [];
  const trials = sources.map((source) => tryOut(source, { ...options, signal: abort.signal, attempts }));
  try {
    return { found: await best(trials, options.deadlineMs), attempts };
  } finally {
    abort.abort();
    for (const { method } of sources.filter((source) => !attempts.some(({ method }) => method === source.method)))
      attempts.push({ method, address: "-", milliseconds: options.deadlineMs, verdict: "was not waited for" });
  }
}

/** The first that found something in the order of the list, once those before it have failed or had their time. */
async function best(
  trials: readonly Promise<FoundCache | undefined>[],
  deadlineMs: number,
): Promise<FoundCache | undefined> {
  const timer = new AbortController();
  const results = new Map<number, FoundCache | undefined>();
  const isSettled = (): boolean => {
    for (let n = 0; n < trials.length; n += 1) {
      if (!results.has(n)) return false;
      if (results.get(n) !== undefined) return true;
    }
    return true;
  };
  try {
    await new Promise<void>((resolve) => {
      const endAfter = (ms: number): void =>
        void sleep(ms, undefined, { signal: timer.signal }).then(resolve, () => undefined);
      endAfter(deadlineMs);
      for (const [n, trial] of trials.entries())
        void trial.then((found) => {
          results.set(n, found);
          if (isSettled()) resolve();
          else if (found !== undefined) endAfter(GRACE_MS);
        });
    });
  } finally {
    timer.abort();
  }
  for (let n = 0; n < trials.length; n += 1) {
    const found = results.get(n);
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Trying extends ResolveOptions {
  readonly signal: AbortSignal;
  readonly attempts: Attempt[];
}

async function tryOut(
  { method, isTrusted, find }: Source,
  { probe, now, signal, attempts }: Trying,
): Promise<FoundCache | undefined> {
  const startedMs = now();
  const tell = (address: string, verdict: string): void => {
    if (!signal.aborted) attempts.push({ method, address, milliseconds: Math.round(now() - startedMs), verdict });
  };
  let places: readonly HostPort[];
  try {
    places = await find(signal);
  } catch (error) {
    tell("-", messageOf(error));
    return undefined;
  }
  if (places.length === 0) tell("-", "names no place");
  const tried = places.map(async (place): Promise<FoundCache> => {
    try {
      const facts = await probe(place, signal);
      tell(formatAuthority(place), verdictOf(facts));
      return { method, isTrusted, place, ...facts };
    } catch (error) {
      tell(formatAuthority(place), messageOf(error));
      throw error;
    }
  });
  return Promise.any(tried).catch(() => undefined);
}

function verdictOf({ isLarder, nixPath }: CacheFacts): string {
  if (!isLarder) return "a binary cache of Nix";
  return nixPath === undefined ? "larder" : "larder, with a binary cache of Nix";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
