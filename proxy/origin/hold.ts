import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";
import { LarderError } from "../../core/errors.ts";
import { toRecord } from "../../core/fields.ts";
import type { Log } from "../../core/log.ts";
import { originOf, type TargetUri } from "../../core/target.ts";
import { retryAfterMs } from "../../policy/fields/retry-after.ts";
import type { ResponseHead } from "../../policy/plan.ts";
import { realmOf } from "../../policy/realm.ts";
import type { Origin, OriginResponse, Question } from "./origin.ts";
import { RecentOrigins } from "./recent-origins.ts";

/** The longest that an origin is left alone by its own word: it may err, or mean harm. */
const MAX_HOLD_MS = 300_000;
/** The first wait where a 429 does not say for how long; it doubles each time, to MAX_GUESSED_MS. */
const GUESSED_MS = 1_000;
const MAX_GUESSED_MS = 60_000;
/** Over this time those who waited come back one by one. */
const SPREAD_MS = 500;

/** An origin that asked to be left alone. */
interface Hold {
  readonly status: number;
  readonly untilMs: number;
  /** Answers in a row that asked for it. */
  readonly times: number;
  /** That it is over has been told. */
  readonly isOver: boolean;
}

export interface HoldDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/**
 * Stands before the origins for what can wait, and leaves those alone that have asked for it: after a 503 with
 * Retry-After nobody asks that origin, after a 429 (RFC 6585 §4) nobody with the same credentials, until the time is
 * over. A 503 without Retry-After is about one resource, as far as it tells.
 */
export class OriginHold implements Origin {
  readonly #origin: Origin;
  readonly #deps: HoldDependencies;
  readonly #holds = new RecentOrigins<Hold>();

  constructor(origin: Origin, dependencies: HoldDependencies) {
    this.#origin = origin;
    this.#deps = dependencies;
  }

  /** Waits as long as the question's patience allows. @throws LarderError `ORIGIN_HELD`, or as the origin does. */
  async ask(question: Question): Promise<OriginResponse> {
    const { patienceMs = 0 } = question;
    const waitedMs = await this.#waitForEnd(question, patienceMs);
    const response = await this.#origin.ask(question);
    const heldForMs = this.#note(question, response.head);
    const patienceLeftMs = patienceMs - waitedMs;
    if (heldForMs === undefined || heldForMs > patienceLeftMs) return response;
    response.discard();
    return await this.ask({ ...question, patienceMs: patienceLeftMs });
  }

  certificateFor(target: TargetUri): string | undefined {
    return this.#origin.certificateFor(target);
  }

  close(): Promise<void> {
    return this.#origin.close();
  }

  /** @returns how long it waited. */
  async #waitForEnd(question: Question, patienceMs: number): Promise<number> {
    if (this.#holds.size === 0) return 0;
    const leftMs = Math.max(...namesOf(question).map((name) => this.#leftMs(name)));
    if (leftMs <= 0) return 0;
    if (leftMs > patienceMs) throw heldFault(question.target, leftMs);
    const waitMs = leftMs + this.#deps.random() * SPREAD_MS;
    await sleep(waitMs, undefined, { signal: question.signal }).catch((cause: unknown) => {
      throw new LarderError("CLIENT_GONE", "nobody waits for this answer any more", { cause });
    });
    return waitMs;
  }

  /** What is left of a hold; at most 0 when there is none. Tells once that it is over. */
  #leftMs(name: string): number {
    const hold = this.#holds.get(name);
    if (hold === undefined || hold.isOver) return 0;
    const leftMs = hold.untilMs - this.#deps.clock();
    // A clock that was put back must not make it longer.
    if (leftMs > 0 && leftMs <= MAX_HOLD_MS) return leftMs;
    this.#holds.set(name, { ...hold, isOver: true });
    this.#deps.log.info({ origin: name.split(" ")[0], status: hold.status }, "origin is asked again");
    return 0;
  }

  /** @returns for how long the answer asks to be left alone, if it does. */
  #note(question: Question, head: ResponseHead): number | undefined {
    if (head.status < 400) return this.#forget(question);
    const name = head.status === 429 ? limitedName(question) : originOf(question.target);
    const before = this.#holds.get(name);
    const forMs = this.#holdForMs(head, before?.times ?? 0);
    if (forMs === undefined) return undefined;
    const untilMs = this.#deps.clock() + forMs;
    if (before === undefined || before.isOver) {
      this.#holds.set(name, { status: head.status, untilMs, times: (before?.times ?? 0) + 1, isOver: false });
      const heldForMs = Math.round(forMs);
      this.#deps.log.warn({ origin: originOf(question.target), status: head.status, heldForMs }, "origin is held");
    } else if (untilMs > before.untilMs) this.#holds.set(name, { ...before, untilMs });
    return forMs;
  }

  /** The origin answers again: the next time that it does not is a first time. */
  #forget(question: Question): undefined {
    if (this.#holds.size === 0) return;
    for (const name of namesOf(question)) if (this.#holds.get(name)?.isOver === true) this.#holds.delete(name);
  }

  #holdForMs(head: ResponseHead, times: number): number | undefined {
    if (head.status !== 429 && head.status !== 503) return undefined;
    const toldMs = retryAfterMs(head, this.#deps.clock());
    if (toldMs !== undefined) return toldMs === 0 ? undefined : Math.min(toldMs, MAX_HOLD_MS);
    if (head.status === 503) return undefined;
    const guessedMs = Math.min(GUESSED_MS * 2 ** times, MAX_GUESSED_MS);
    return guessedMs / 2 + (guessedMs / 2) * this.#deps.random();
  }
}

/** The holds that a question may fall under. */
function namesOf(question: Question): readonly string[] {
  return [originOf(question.target), limitedName(question)];
}

/** Too many requests were somebody's (RFC 6585 §4): those with other credentials have done nothing. */
function limitedName({ target, fields }: Question): string {
  return `${originOf(target)} ${realmOf(target, toRecord(fields))}`;
}

function heldFault({ authority }: TargetUri, leftMs: number): LarderError {
  const retryAfterSeconds = Math.ceil(leftMs / 1000);
  return new LarderError(
    "ORIGIN_HELD",
    `${authority} asked to be left alone (Retry-After); it is asked again in ${retryAfterSeconds} s`,
    { details: { authority, retryAfterSeconds } },
  );
}
