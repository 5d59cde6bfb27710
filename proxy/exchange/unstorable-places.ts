import type { Clock } from "../../core/clock.ts";

/** How long: an origin that changes its mind is believed soon, and a crowd waits for one answer this seldom. */
const REMEMBERED_FOR_MS = 30_000;
/** How many, at some 200 bytes each. */
const MAX_PLACES = 10_000;

/**
 * Places whose last answer could not be stored: requests for them need not wait for each other, as none could share the
 * other's answer. Forgotten after a while, the oldest first when there are many.
 */
export class UnstorablePlaces {
  readonly #clock: Clock;
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(place: string): void {
    this.#untilMs.delete(place);
    this.#untilMs.set(place, this.#clock() + REMEMBERED_FOR_MS);
    const [oldest] = this.#untilMs.keys();
    if (this.#untilMs.size > MAX_PLACES && oldest !== undefined) this.#untilMs.delete(oldest);
  }

  has(place: string): boolean {
    const untilMs = this.#untilMs.get(place);
    if (untilMs === undefined || untilMs > this.#clock()) return untilMs !== undefined;
    this.#untilMs.delete(place);
    return false;
  }
}
