import type { Clock } from "../../core/clock.ts";
import { LarderError } from "../../core/errors.ts";
import { type HostPort, makeTarget, originOf, type Scheme, type TargetUri } from "../../core/target.ts";
import type { OpenTunnel } from "./connect.ts";
import { isConnectFailure } from "./faults.ts";
import type { Origin, OriginResponse, Question } from "./origin.ts";
import { RecentOrigins } from "./recent-origins.ts";
import type { Connect } from "./secure.ts";

/** Once may be a restart, or a packet lost. */
const FAILURES = 2;
/** How long an origin that cannot be connected to is not asked. */
const OPEN_FOR_MS = 30_000;

/** An origin that could not be connected to, and has not been since. */
interface Outage {
  failures: number;
  lastFault: LarderError;
  /** No question goes out before this; 0 while the breaker is closed. */
  openUntilMs: number;
  isProbed: boolean;
}

/**
 * Remembers which origins cannot be connected to: after two failures in a row all that is wanted of such an origin
 * fails at once for 30 s, so that what is stored is served without a wait. Then one attempt at a time finds out whether
 * it is back. A client's `no-cache` asks for the origin's word, which is not to be had: it changes nothing here.
 */
export class Breaker {
  readonly #clock: Clock;
  readonly #outages = new RecentOrigins<Outage>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param place `scheme://authority` of the origin
   * @param attempt what succeeds on a connection to it only; made once at most
   * @throws LarderError `ORIGIN_BREAKER_OPEN`, or as the attempt does
   */
  async through<T>(place: string, attempt: () => Promise<T>): Promise<T> {
    const outage = this.#outages.get(place);
    const isProbe = outage !== undefined && this.#isProbe(outage, place);
    const failuresBefore = outage?.failures ?? 0;
    try {
      if (isProbe) outage.isProbed = true;
      const reached = await attempt();
      this.#outages.delete(place);
      return reached;
    } catch (error) {
      this.#noteFault(place, error, failuresBefore);
      throw error;
    } finally {
      if (isProbe) outage.isProbed = false;
    }
  }

  /** @throws LarderError `ORIGIN_BREAKER_OPEN` when it is neither the time nor the turn of this question. */
  #isProbe({ openUntilMs, isProbed, lastFault }: Outage, place: string): boolean {
    if (openUntilMs === 0) return false;
    const waitMs = openUntilMs - this.#clock();
    // A clock that was put back must not make the wait longer.
    const isOver = waitMs <= 0 || waitMs > OPEN_FOR_MS;
    if (isOver && !isProbed) return true;
    const next = isOver ? "it is being tried again" : `it is tried again in ${Math.ceil(waitMs / 1000)} s`;
    throw new LarderError(
      "ORIGIN_BREAKER_OPEN",
      `${place} could not be connected to ${FAILURES} times in a row; ${next}. The last time: ${lastFault.message}`,
      { details: { origin: place, lastCode: lastFault.code }, cause: lastFault },
    );
  }

  #noteFault(place: string, error: unknown, failuresBefore: number): void {
    if (!(error instanceof LarderError) || error.code === "CLIENT_GONE") return;
    // Whatever else went wrong, went wrong on a connection; what larder itself refused tells nothing.
    if (!isConnectFailure(error)) {
      if (error.source === "origin" && error.code !== "PARENT_PROXY") this.#outages.delete(place);
      return;
    }
    const failures = this.#outages.get(place)?.failures ?? 0;
    // Questions that were under way together fail together: that is one failure.
    if (failures > failuresBefore) return;
    this.#remember(place, failures + 1, error);
  }

  #remember(place: string, failures: number, lastFault: LarderError): void {
    const openUntilMs = failures < FAILURES ? 0 : this.#clock() + OPEN_FOR_MS;
    this.#outages.set(place, { failures, lastFault, openUntilMs, isProbed: false });
  }
}

/** Questions to origins that the breaker knows. */
export class OriginBreaker implements Origin {
  readonly #origin: Origin;
  readonly #breaker: Breaker;

  constructor(origin: Origin, breaker: Breaker) {
    this.#origin = origin;
    this.#breaker = breaker;
  }

  /** @throws LarderError `ORIGIN_BREAKER_OPEN`, or as the origin does. */
  ask(question: Question): Promise<OriginResponse> {
    return this.#breaker.through(originOf(question.target), () => this.#origin.ask(question));
  }

  certificateFor(target: TargetUri): string | undefined {
    return this.#origin.certificateFor(target);
  }

  close(): Promise<void> {
    return this.#origin.close();
  }
}

/**
 * The same for connections: of requests that are no questions, upgrades and blind tunnels. One that is there already is
 * used whatever the breaker says.
 */
export function breakConnections(connect: Connect, breaker: Breaker): Connect {
  return (to, isTls) => breaker.through(placeOf(isTls ? "https" : "http", to), () => connect(to, isTls));
}

/** A blind tunnel to a host shares the fate of https to it: whatever is spoken in it, the way is the same. */
export function breakTunnels(openTunnel: OpenTunnel, breaker: Breaker): OpenTunnel {
  return (to) => breaker.through(placeOf("https", to), () => openTunnel(to));
}

function placeOf(scheme: Scheme, to: HostPort): string {
  return originOf(makeTarget(scheme, to, "/"));
}
