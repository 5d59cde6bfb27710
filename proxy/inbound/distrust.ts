import type { Clock } from "../../core/clock.ts";

/** How many clients and hosts are remembered, at some 300 bytes each; the oldest is forgotten first. */
const MAX_REMEMBERED = 5_000;
/** Once may be an accident: a connection that was opened ahead and not needed looks the same. */
const REJECTIONS = 2;

interface Standing {
  /** When it rejected the certificate; none once it has made a request. */
  readonly rejectedMs: readonly number[];
  readonly tunnelUntilMs: number;
}

/**
 * Clients that would not have our certificate for a host. Who has rejected it twice, with no request in between, is
 * left alone with that host for a while: it works then, though nothing is kept.
 */
export class Distrust {
  readonly #clock: Clock;
  readonly #tunnelForMs: number;
  readonly #standings = new Map<string, Standing>();

  /** @param tunnelForMs how long; 0: never */
  constructor(clock: Clock, tunnelForMs: number) {
    this.#clock = clock;
    this.#tunnelForMs = tunnelForMs;
  }

  /** @param who the client, as exactly as it can be told, and the host. */
  isTunnelled(who: string): boolean {
    return (this.#standings.get(who)?.tunnelUntilMs ?? 0) > this.#clock();
  }

  /** @returns whether the client is left alone with that host from now on. */
  noteRejection(who: string): boolean {
    const nowMs = this.#clock();
    const before = this.#standings.get(who)?.rejectedMs ?? [];
    const rejectedMs = [...before.filter((atMs) => atMs > nowMs - this.#tunnelForMs), nowMs];
    const isTunnelled = this.#tunnelForMs > 0 && rejectedMs.length >= REJECTIONS;
    this.#standings.delete(who);
    this.#standings.set(who, {
      rejectedMs: isTunnelled ? [] : rejectedMs,
      tunnelUntilMs: isTunnelled ? nowMs + this.#tunnelForMs : 0,
    });
    const [oldest] = this.#standings.keys();
    if (this.#standings.size > MAX_REMEMBERED && oldest !== undefined) this.#standings.delete(oldest);
    return isTunnelled;
  }

  /** It has made a request: what it rejects later counts from the start. */
  noteTrust(who: string): void {
    this.#standings.delete(who);
  }
}
