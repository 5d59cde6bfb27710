import { setTimeout as sleep } from "node:timers/promises";
import { formatAuthority, type HostPort } from "../core/target.ts";
import type { CacheFacts } from "./probe.ts";

/** How a place came to be known; in the order in which they are believed. */
export const METHODS = ["override", "environment", "dns", "mdns", "dns-sd", "neighbour", "last-known"] as const;
export type Method = (typeof METHODS)[number];

/** A way to find places. */
export interface Source {
  readonly method: Method;
  /**
   * Whether what it names may be a proxy: what anybody on the link may answer is good for what is signed, and nothing
   * else.
   */
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
  /** Ends it all at once, without a result. */
  readonly signal?: AbortSignal;
}

/** How long a better place may still answer once a worse one has. */
const GRACE_MS = 300;

/**
 * Asks every source and every place at the same time, and takes the best that answers as a cache: the order of
 * {@link METHODS}, for as long as one may wait. Never rejects.
 */
export async function resolveCache(sources: readonly Source[], options: ResolveOptions): Promise<Resolution> {
  const end = new AbortController();
  const attempts = new Attempts(options.now);
  const trials = sources.map((source) => tryOut(source, { probe: options.probe, signal: end.signal, attempts }));
  try {
    return { found: await best(trials, options), attempts: attempts.close() };
  } finally {
    end.abort();
  }
}

type Trial = Pick<Attempt, "method" | "address">;

/** What is being tried, and what came of what was. */
class Attempts {
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #open = new Set<Trial>();
  readonly #ended: Attempt[] = [];

  constructor(now: () => number) {
    this.#now = now;
    this.#startedMs = now();
  }

  begin(method: Method, address: string): Trial {
    const trial = { method, address };
    this.#open.add(trial);
    return trial;
  }

  /** @param verdict left out where others stand for it. */
  end(trial: Trial, verdict?: string): void {
    if (!this.#open.delete(trial) || verdict === undefined) return;
    this.#ended.push({ ...trial, milliseconds: Math.round(this.#now() - this.#startedMs), verdict });
  }

  /** All of them, in the order of {@link METHODS}. */
  close(): readonly Attempt[] {
    for (const trial of this.#open) this.end(trial, "was not waited for any longer");
    return this.#ended.sort((one, other) => METHODS.indexOf(one.method) - METHODS.indexOf(other.method));
  }
}

/** The first that found something in the order of the list, once those before it have failed or had their time. */
async function best(
  trials: readonly Promise<FoundCache | undefined>[],
  { deadlineMs, signal }: ResolveOptions,
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
      signal?.addEventListener("abort", () => resolve(), { once: true });
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

interface Trying extends Pick<ResolveOptions, "probe"> {
  readonly signal: AbortSignal;
  readonly attempts: Attempts;
}

async function tryOut(source: Source, { probe, signal, attempts }: Trying): Promise<FoundCache | undefined> {
  const { method, isTrusted } = source;
  const search = attempts.begin(method, "-");
  let places: readonly HostPort[];
  try {
    places = await source.find(signal);
  } catch (error) {
    attempts.end(search, messageOf(error));
    return undefined;
  }
  attempts.end(search, places.length === 0 ? "names no place" : undefined);
  const tried = places.map(async (place): Promise<FoundCache> => {
    const trial = attempts.begin(method, formatAuthority(place));
    try {
      const facts = await probe(place, signal);
      attempts.end(trial, verdictOf(facts));
      return { method, isTrusted, place, ...facts };
    } catch (error) {
      attempts.end(trial, messageOf(error));
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
