import type { Clock } from "../../core/clock.ts";

/**
 * Times of use that never go back, for they are compared with each other and nothing else: what is used after something
 * else has the later one, also when the machine's clock was put back meanwhile, or had been wrong for a day.
 * @param lastMs the latest that was written down so far
 */
export function useClock(clock: Clock, lastMs: number): Clock {
  let latestMs = lastMs;
  return () => {
    const nowMs = clock();
    latestMs = nowMs < latestMs ? latestMs + 1 : nowMs;
    return latestMs;
  };
}
