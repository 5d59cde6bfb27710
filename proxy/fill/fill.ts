import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";
import type { Entry } from "../../core/entry.ts";
import { LarderError, toLarderError } from "../../core/errors.ts";
import type { RawFields } from "../../core/fields.ts";
import type { Log } from "../../core/log.ts";
import { freshenFields, mayServeStale } from "../../policy/freshness.ts";
import { completedHead, restFields } from "../../policy/parts.ts";
import type { Beginning, ExchangeTimes, PlanContext, ResponseHead } from "../../policy/plan.ts";
import { judge, judgeDeclared } from "../../policy/storing.ts";
import type { EntryDraft, Store } from "../../storage/store.ts";
import type { Origin, OriginResponse } from "../origin/origin.ts";
import { type Answer, Arrival } from "./arrival.ts";
import { askForBody, type BodyAnswer } from "./begun-body.ts";
import type { FillHead, FillOrder, FillSource } from "./fill-order.ts";
import type { FillReader } from "./fill-reader.ts";
import { GrowingBody } from "./growing-body.ts";
import { Keeping } from "./keeping.ts";
import { hasLeave } from "./leave.ts";
import { askThroughRedirects } from "./redirects.ts";
import { isMismatch } from "./verify.ts";

export interface FillDependencies {
  readonly store: Store;
  readonly origin: Origin;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Fetches one resource from its origin into the store and to everyone who waits for it. It belongs to none of them: it
 * runs at the origin's speed, and a slow or vanished reader neither slows nor ends it.
 */
export class Fill {
  readonly order: FillOrder;
  /** Rejects with the origin's fault when there is nothing to serve. Known late for a declared body: with its first released byte. */
  readonly head: Promise<FillHead>;
  /**
   * Resolves with what the store holds of it, when it has settled; with `undefined` when nothing can be stored, as soon as
   * that is known.
   */
  readonly kept: Promise<Entry | undefined>;
  /** The length of the body, as soon as its repository or its origin tells; `undefined` where neither does, or none comes. */
  readonly length: Promise<number | undefined>;
  /** Resolves when the fill has come to its end, whatever that was. */
  readonly settled: Promise<void>;
  readonly #dependencies: FillDependencies;
  readonly #abort = new AbortController();
  readonly #body = new GrowingBody();
  #resolveHead: (head: FillHead) => void = () => undefined;
  #rejectHead: (error: LarderError) => void = () => undefined;
  #resolveKept: (entry: Entry | undefined) => void = () => undefined;
  #resolveLength: (bytes: number | undefined) => void = () => undefined;
  #resolveSettled: () => void = () => undefined;
  #isHeadKnown = false;
  /** What was wrong with the sources that were asked before. */
  readonly #faults: LarderError[] = [];
  /** The body that is arriving, or came last. */
  #arrival: Arrival | undefined;
  #response: OriginResponse | undefined;
  readonly #keeping: Keeping;

  constructor(order: FillOrder, dependencies: FillDependencies) {
    this.order = order;
    this.#dependencies = dependencies;
    this.#keeping = new Keeping(order, dependencies);
    this.head = new Promise((resolve, reject) => {
      this.#resolveHead = resolve;
      this.#rejectHead = reject;
    });
    this.kept = new Promise((resolve) => {
      this.#resolveKept = resolve;
    });
    this.length = new Promise((resolve) => {
      this.#resolveLength = resolve;
    });
    this.settled = new Promise((resolve) => {
      this.#resolveSettled = resolve;
    });
    // Readers that come and go each handle it; a fill that nobody waits for any more must not end the process.
    this.head.catch(() => undefined);
  }

  get isHeadKnown(): boolean {
    return this.#isHeadKnown;
  }

  /** Body bytes that have come from the origin so far. */
  get originBytes(): number {
    return this.arrivedBytes - (this.#arrival?.begunBytes ?? 0);
  }

  /** Bytes of the body that are there so far, wherever they came from. */
  get arrivedBytes(): number {
    return this.#body.appendedBytes;
  }

  /** The last byte has come, and may have gone out where nothing holds it; it may still have to be sealed and committed. */
  get hasLastByte(): boolean {
    return this.#body.end === "complete" || this.arrivedBytes === this.#arrival?.head.bytes;
  }

  /** What the store holds of it, once it has settled: `undefined` where nothing could be stored. */
  get stored(): Entry | undefined {
    return this.#keeping.stored;
  }

  /** Readers get their bytes, but nothing of it is kept: see {@link Keeping.disown}. */
  disown(): void {
    this.#keeping.disown();
  }

  /** Asks the origin and fills, to the end. Never rejects; call once. */
  async run(): Promise<void> {
    try {
      await this.#tryEachSource();
    } catch (error) {
      this.#fail(toLarderError(error));
    } finally {
      this.#resolveLength(undefined);
      this.#resolveKept(this.#keeping.stored);
    }
  }

  /** Lets go of what the fill holds, when it has run and nobody can find it any more. Call once. */
  async settle(): Promise<void> {
    // Whoever waits for the head reads on at once: opens a reader, or takes the response.
    await nextTurn();
    this.takeResponse()?.discard();
    await this.#body.settle();
    this.#resolveSettled();
  }

  /** Ends the fill whatever it is doing; readers see `CLIENT_GONE`. */
  cancel(): void {
    this.#abort.abort();
  }

  /** The answer that is not to be stored, for the first caller only, who must read or destroy its body. */
  takeResponse(): OriginResponse | undefined {
    const response = this.#response;
    this.#response = undefined;
    return response;
  }

  /** Resolves when every byte has come and is verified. @throws the fill's fault */
  whole(): Promise<void> {
    return this.#body.whole();
  }

  /** Reads the growing body from `first` to `last` (inclusive; to the end when `undefined`). Close the reader. */
  openReader(first?: number, last?: number): FillReader {
    return this.#body.openReader(first, last);
  }

  /** A source that fails before anything has gone out gives way to the next. */
  async #tryEachSource(): Promise<void> {
    const { sources } = this.order;
    const faults = this.#faults;
    for (const source of sources) {
      const fault = await this.#try(source);
      if (fault === undefined) return;
      faults.push(fault);
      if (fault.source !== "origin" || this.#isHeadKnown) break;
    }
    // Wrong bytes anywhere tell most; else the place that was asked for itself tells more than its mirrors.
    const mismatch = faults.find(isMismatch);
    if (mismatch === undefined && this.#response !== undefined)
      return this.#announceHead({ kind: "pass", reason: "status" });
    throw mismatch ?? faults[0] ?? new LarderError("INTERNAL", "a fill without a source");
  }

  /** @returns why it is not to be had from this source. Pieces of several that are wrong together blame none of them. */
  async #try(source: FillSource): Promise<LarderError | undefined> {
    const { entry, beginning, isWhole = false } = this.order;
    const how = { isConditional: entry !== undefined, isWhole, beginning };
    let fault = await this.#askLeave(source, how).then(() => undefined, toLarderError);
    if (fault !== undefined && isMismatch(fault) && this.#arrival?.isSpliced === true) {
      if (this.#isHeadKnown) {
        this.order.onSpliced?.();
        return fault;
      }
      fault = await this.#ask(source, { ...how, isWhole: true }).then(() => undefined, toLarderError);
    }
    if (fault !== undefined) this.order.onFault?.(source, fault);
    return fault;
  }

  /** What is held need not come again, if the origin says that the requester might have it. */
  async #askLeave(source: FillSource, how: Asking): Promise<void> {
    const { held, sources } = this.order;
    const send = (place: FillSource, fields: RawFields): Promise<OriginResponse> => this.#send(place, fields);
    const isHeld = held !== undefined && source === sources[0] && (await hasLeave(held, source, send));
    if (!isHeld) return await this.#ask(source, how);
    this.#keeping.found(held);
    this.#announceHead({ kind: "freshened", entry: held });
  }

  async #ask(source: FillSource, how: Asking): Promise<void> {
    this.#arrival = undefined;
    const { clock } = this.#dependencies;
    const { isConditional, beginning } = how;
    const requestMs = clock();
    let answer: BodyAnswer;
    try {
      answer = await this.#askForBody(source, how);
    } catch (error) {
      const fault = toLarderError(error);
      if (this.#abort.signal.aborted || !this.#fallBack({ kind: "unreachable" }, fault.code)) throw fault;
      return;
    }
    const times = { requestMs, responseMs: clock() };
    const { response } = answer;
    const { status } = response.head;
    if (status === 304 && isConditional) {
      response.discard();
      if (!(await this.#freshen(source, response.head, times)))
        await this.#ask(source, { ...how, isConditional: false });
      return;
    }
    if (this.#fallBack({ kind: "status", status }, `status-${status}`)) return response.discard();
    if (beginning !== undefined && status !== 200) return await this.#complete(source, response, { ...how, ...times });
    await this.#receive(source, answer, { ...how, ...times, beginning: undefined });
  }

  /** The rest of what is stored; any other answer is about something else, and the whole is asked for. */
  async #complete(source: FillSource, response: OriginResponse, how: Asking & ExchangeTimes): Promise<void> {
    const head = how.beginning === undefined ? undefined : completedHead(how.beginning, response.head);
    if (head !== undefined) return await this.#receive(source, { response: { ...response, head } }, how);
    response.discard();
    await this.#ask(source, { ...how, beginning: undefined });
  }

  /** A stored response that is only revalidated has its body already, and one answer that brings all needs no beginning. */
  async #askForBody(source: FillSource, { isConditional, isWhole, beginning }: Asking): Promise<BodyAnswer> {
    const send = (more: RawFields) => this.#send(source, [...source.fieldsToOrigin(isConditional), ...more]);
    if (beginning !== undefined) return { response: await send(restFields(beginning)) };
    if (isConditional || isWhole) return { response: await send([]) };
    return await askForBody(source, { order: this.order, store: this.#dependencies.store, send });
  }

  #send({ target }: FillSource, fields: RawFields): Promise<OriginResponse> {
    const { context, admit, onInterim } = this.order;
    // A client that follows them itself would go where nothing tells that a root is asked for.
    const isPackageFile = context.class === "payload" || context.class === "member" || admit !== undefined;
    const question = { target, fields, signal: this.#abort.signal, onInterim };
    if (isPackageFile) return askThroughRedirects(this.#dependencies.origin, question);
    return this.#dependencies.origin.ask(question);
  }

  /** @returns whether the failure is hidden behind the stored response. */
  #fallBack(failure: Parameters<typeof mayServeStale>[2], detail: string): boolean {
    const { entry, request } = this.order;
    if (entry === undefined || !mayServeStale(entry, request, failure, this.#planContext())) return false;
    this.#announceHead({ kind: "stale", entry, detail });
    return true;
  }

  async #freshen(source: FillSource, head: ResponseHead, times: ExchangeTimes): Promise<boolean> {
    const { entry } = this.order;
    if (entry === undefined) return false;
    const freshening = freshenFields(entry, head, { ...this.#planContext(), ...times });
    if (freshening === "another") return false;
    this.#announceHead({ kind: "freshened", entry: await this.#keeping.freshen(source, entry, freshening) });
    return true;
  }

  async #receive(source: FillSource, answer: BodyAnswer, how: Asking & ExchangeTimes): Promise<void> {
    const { response, begun } = answer;
    const { request, key, declared, sources } = this.order;
    const { status } = response.head;
    const { requestMs, responseMs, isWhole, beginning } = how;
    const times = { requestMs, responseMs };
    const context = { ...this.#planContext(), ...times };
    if (declared !== undefined && status !== 200) {
      if (source === sources[0]) this.#response = response;
      else response.discard();
      throw new LarderError("ORIGIN_STATUS", `${source.target.authority} answered ${status}`, { details: { status } });
    }
    const verdict =
      declared === undefined ? judge(request, response.head, context) : judgeDeclared(request, response.head, context);
    if (!verdict.store) {
      if (begun !== undefined) {
        response.discard();
        await begun.drop();
        return await this.#ask(source, how);
      }
      this.#response = response;
      this.#announceHead({ kind: "pass", reason: verdict.reason });
      return;
    }
    const { variant, selecting, realm, fields } = verdict;
    const draft: EntryDraft = { key, variant, realm, status, fields, selecting, class: context.class, ...times };
    await this.#fillFrom({ source, response, draft, isWhole, beginning, begun });
  }

  async #fillFrom(answer: Answer): Promise<void> {
    const { draft, source } = answer;
    const { admit, declared } = this.order;
    const { staging, sealed, fields } = await this.#arrive(answer).bring();
    const refusal = draft.status < 400 ? await admit?.(draft.status, staging, sealed) : undefined;
    if (refusal !== undefined) {
      if (!this.#fallBack({ kind: "unreachable" }, refusal.code)) throw refusal;
      return this.#body.finish(refusal);
    }
    // What another source said of it does not matter any more.
    this.takeResponse()?.discard();
    if (declared !== undefined) this.order.onProven?.();
    const proven = { ...draft, fields, ...(declared === undefined ? {} : { variant: declaredVariant(sealed.digest) }) };
    this.#body.finish("complete");
    this.#announceHead({ kind: "body", draft: proven, bytes: sealed.bytes });
    await this.#keeping.commit(source, proven, staging);
  }

  #arrive(answer: Answer): Arrival {
    this.#arrival = new Arrival(answer, {
      order: this.order,
      store: this.#dependencies.store,
      body: this.#body,
      signal: this.#abort.signal,
      send: (source, fields) => this.#send(source, fields),
      announce: (head) => this.#announceHead(head),
      isHeadKnown: () => this.#isHeadKnown,
      keepCut: (head, staging) => this.#keeping.keepCut(answer.source, head, staging),
      onUnstorable: () => this.#resolveKept(undefined),
    });
    this.#resolveLength(this.#arrival.head.bytes);
    return this.#arrival;
  }

  #planContext(): PlanContext {
    return { ...this.order.context, nowMs: this.#dependencies.clock() };
  }

  /** The first head counts. */
  #announceHead(head: FillHead): void {
    if (this.#isHeadKnown) return;
    this.#isHeadKnown = true;
    this.#resolveHead(head);
  }

  #fail(fault: LarderError): void {
    this.#body.finish(fault);
    this.#isHeadKnown = true;
    this.#rejectHead(fault);
  }
}

/** How a source is asked. */
interface Asking {
  /** With the fields that revalidate the stored response. */
  readonly isConditional: boolean;
  /** For one answer that brings all of it, verified before any of it goes out. */
  readonly isWhole: boolean;
  /** For the rest of what is stored. */
  readonly beginning?: Beginning | undefined;
}

/**
 * The variant under which a declared body is stored: its digest, so that what a name meant in one generation stands beside
 * what it means in the next.
 */
export function declaredVariant(digest: string): string {
  return `sha256-${digest}`;
}
