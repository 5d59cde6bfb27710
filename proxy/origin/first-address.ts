import type { LookupAddress } from "node:dns";
import net from "node:net";

/** The pause before the next address is tried as well (RFC 8305 §8, Connection Attempt Delay). */
const ATTEMPT_DELAY_MS = 250;

export interface FirstAddressOptions {
  readonly port: number;
  readonly allowHalfOpen: boolean;
  /** Ends all attempts. */
  readonly signal: AbortSignal;
}

/**
 * Connects to the address that accepts first (happy eyeballs, RFC 8305 §5): families by turns, the next as soon as one
 * has failed or 250 ms have passed. Those that are slow go on meanwhile, which node's own `autoSelectFamily` does not
 * let them: over a line of more than 250 ms it reaches the last address only.
 * @param addresses at least one, the preferred first
 * @throws what the system says, of every address where all failed; the reason of the signal
 */
export function connectToFirst(
  addresses: readonly LookupAddress[],
  { port, allowHalfOpen, signal }: FirstAddressOptions,
): Promise<net.Socket> {
  const waiting = byTurns(addresses);
  const attempts = new Set<net.Socket>();
  const faults: unknown[] = [];
  let delay: NodeJS.Timeout | undefined;
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void): void => {
      clearTimeout(delay);
      signal.removeEventListener("abort", abort);
      for (const attempt of attempts) attempt.destroy();
      outcome();
    };
    const abort = (): void => settle(() => reject(signal.reason));
    const begin = (): void => {
      clearTimeout(delay);
      const next = waiting.shift();
      if (next === undefined) return;
      const attempt = net.connect({ host: next.address, port, noDelay: true, allowHalfOpen });
      attempts.add(attempt);
      const fail = (error: Error): void => {
        attempts.delete(attempt);
        faults.push(error);
        if (waiting.length > 0) begin();
        else if (attempts.size === 0) settle(() => reject(faults.length === 1 ? error : new AggregateError(faults)));
      };
      attempt.once("error", fail);
      attempt.once("connect", () => {
        attempt.removeListener("error", fail);
        attempts.delete(attempt);
        settle(() => resolve(attempt));
      });
      if (waiting.length > 0) delay = setTimeout(begin, ATTEMPT_DELAY_MS);
    };
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    else begin();
  });
}

/** RFC 8305 §4: one of each family in turn, beginning with that of the first. */
function byTurns(addresses: readonly LookupAddress[]): LookupAddress[] {
  const first = addresses.filter(({ family }) => family === addresses[0]?.family);
  const other = addresses.filter(({ family }) => family !== addresses[0]?.family);
  return Array.from({ length: Math.max(first.length, other.length) }).flatMap((_, i) =>
    [first[i], other[i]].filter((address) => address !== undefined),
  );
}
