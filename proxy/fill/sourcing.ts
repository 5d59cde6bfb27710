import { LarderError, toLarderError } from "../../core/errors.ts";
import { fieldValue, type RawFields } from "../../core/fields.ts";
import { freshenBy304 } from "../../policy/freshening.ts";
import { completedHead, restFields } from "../../policy/parts.ts";
import type { Beginning, ExchangeTimes, PlanContext, ResponseHead } from "../../policy/plan.ts";
import { mayServeStale } from "../../policy/serving-stale.ts";
import { judge, judgeDeclared } from "../../policy/storing.ts";
import type { EntryDraft } from "../../storage/store.ts";
import type { OriginResponse } from "../origin/origin.ts";
import { type Answer, Arrival } from "./arrival.ts";
import { askForBody, type BodyAnswer } from "./begun-body.ts";
import type { FillDependencies, FillHead, FillOrder, FillSource } from "./fill-order.ts";
import type { GrowingBody } from "./growing-body.ts";
import { declaredVariant, type Keeping } from "./keeping.ts";
import { hasLeave } from "./leave.ts";
import { askThroughRedirects } from "./redirects.ts";
import { isMismatch } from "./verify.ts";

export interface SourcingDependencies extends FillDependencies {
  /** Where the bytes are read while they come. */
  readonly body: GrowingBody;
  readonly keeping: Keeping;
  readonly signal: AbortSignal;
  /** Called with the head when readers may have it; more than once: the first counts. */
  readonly announce: (head: FillHead) => void;
  readonly isHeadKnown: () => boolean;
  /** Called with the length of the body that arrives; more than once: the first counts. */
  readonly onLength: (bytes: number | undefined) => void;
  /** Called when it turns out that the store cannot keep it. */
  readonly onUnstorable: () => void;
}

/**
 * How long a package file that can be had nowhere else waits for an origin that has asked to be left alone: apt and dnf
 * give up at once, or ask again without a pause, and no client's own timeout is as short.
 */
const HOLD_PATIENCE_MS = 5_000;
const UNREACHABLE = { kind: "unreachable" } as const;

/** Brings what was ordered from one of its sources: asks them in turn until one gives what may be served. Use once. */
export class Sourcing {
  readonly #order: FillOrder;
  readonly #deps: SourcingDependencies;
  /** What was wrong with the sources that were asked before. */
  readonly #faults: LarderError[] = [];
  #arrival: Arrival | undefined;
  #response: OriginResponse | undefined;

  constructor(order: FillOrder, dependencies: SourcingDependencies) {
    this.#order = order;
    this.#deps = dependencies;
  }

  /** The body that is arriving, or came last. */
  get arrival(): Arrival | undefined {
    return this.#arrival;
  }

  /** The answer that is not to be stored, for the first caller only, who must read or destroy its body. */
  takeResponse(): OriginResponse | undefined {
    const response = this.#response;
    this.#response = undefined;
    return response;
  }

  /** A source that fails before anything has gone out gives way to the next. @throws the fault that tells most */
  async bring(): Promise<void> {
    const { sources } = this.#order;
    if (await this.#tryEach(sources)) return;
    if (this.#maySomebodyElse() && (await this.#tryEach((await this.#order.findMore?.()) ?? []))) return;
    const faults = this.#faults;
    // Wrong bytes anywhere tell most; else the place that was asked for itself tells more than its mirrors.
    const mismatch = faults.find(isMismatch);
    if (mismatch === undefined && this.#response !== undefined)
      return this.#deps.announce({ kind: "pass", reason: "status" });
    throw mismatch ?? faults[0] ?? new LarderError("INTERNAL", "a fill without a source");
  }

  /** @returns whether one of them brought it. */
  async #tryEach(sources: readonly FillSource[]): Promise<boolean> {
    for (const source of sources) {
      const fault = await this.#try(source);
      if (fault === undefined) return true;
      this.#faults.push(fault);
      if (!this.#maySomebodyElse()) return false;
    }
    return false;
  }

  /** Whether the last failure was the place's own, and nothing has gone out that another would have to go on with. */
  #maySomebodyElse(): boolean {
    return this.#faults.at(-1)?.source === "origin" && !this.#deps.isHeadKnown();
  }

  /**
   * @returns why it is not to be had from this source. Pieces of several that are wrong together blame none of them.
   */
  async #try(source: FillSource): Promise<LarderError | undefined> {
    const { entry, beginning, isWhole = false } = this.#order;
    const how = { isConditional: entry !== undefined, isWhole, beginning };
    let fault = await this.#askLeave(source, how).then(() => undefined, toLarderError);
    if (fault !== undefined && isMismatch(fault) && this.#arrival?.isSpliced === true) {
      if (this.#deps.isHeadKnown()) {
        this.#order.onSpliced?.();
        return fault;
      }
      fault = await this.#ask(source, { ...how, isWhole: true }).then(() => undefined, toLarderError);
    }
    if (fault !== undefined) this.#order.onFault?.(source, fault);
    return fault;
  }

  /** What is held need not come again, if the origin says that the requester might have it. */
  async #askLeave(source: FillSource, how: Asking): Promise<void> {
    const { held, sources } = this.#order;
    const send = (place: FillSource, fields: RawFields): Promise<OriginResponse> => this.#send(place, fields);
    const isHeld = held !== undefined && source === sources[0] && (await hasLeave(held, source, send));
    if (!isHeld) return await this.#ask(source, how);
    this.#deps.keeping.found(held);
    this.#deps.announce({ kind: "freshened", entry: held });
  }

  async #ask(source: FillSource, how: Asking): Promise<void> {
    this.#arrival = undefined;
    const { clock } = this.#deps;
    const { isConditional, beginning } = how;
    const requestMs = clock();
    let answer: BodyAnswer;
    try {
      answer = await this.#askForBody(source, how);
    } catch (error) {
      const fault = toLarderError(error);
      const isHeld = fault.code === "ORIGIN_HELD";
      const failure = isHeld ? ({ kind: "status", status: fault.status } as const) : UNREACHABLE;
      if (this.#deps.signal.aborted || !this.#fallBack(failure, fault.code)) throw fault;
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

  /**
   * A stored response that is only revalidated has its body already, and one answer that brings all needs no beginning.
   */
  async #askForBody(source: FillSource, { isConditional, isWhole, beginning }: Asking): Promise<BodyAnswer> {
    const send = (more: RawFields) => this.#send(source, [...source.fieldsToOrigin(isConditional), ...more]);
    if (beginning !== undefined) return { response: await send(restFields(beginning)) };
    if (isConditional || isWhole) return { response: await send([]) };
    return await askForBody(source, { order: this.#order, store: this.#deps.store, send });
  }

  #send({ target }: FillSource, fields: RawFields): Promise<OriginResponse> {
    const { context, admit, onInterim, entry, sources } = this.#order;
    // A client that follows them itself would go where nothing tells that a root is asked for.
    const isPackageFile = context.class === "payload" || context.class === "member" || admit !== undefined;
    const hasOther = entry !== undefined || sources.length > 1;
    const patienceMs = isPackageFile && !hasOther ? HOLD_PATIENCE_MS : 0;
    const question = { target, fields, signal: this.#deps.signal, onInterim, patienceMs };
    if (isPackageFile) return askThroughRedirects(this.#deps.origin, question);
    return this.#deps.origin.ask(question);
  }

  /** @returns whether the failure is hidden behind the stored response. */
  #fallBack(failure: Parameters<typeof mayServeStale>[2], detail: string): boolean {
    const { entry, request } = this.#order;
    if (entry === undefined || !mayServeStale(entry, request, failure, this.#planContext())) return false;
    this.#deps.announce({ kind: "stale", entry, detail });
    return true;
  }

  async #freshen(source: FillSource, head: ResponseHead, times: ExchangeTimes): Promise<boolean> {
    const { entry } = this.#order;
    if (entry === undefined) return false;
    const freshening = freshenBy304(entry, head, { ...this.#planContext(), ...times });
    if (freshening === "another") return false;
    this.#deps.announce({ kind: "freshened", entry: await this.#deps.keeping.freshen(source, entry, freshening) });
    return true;
  }

  async #receive(source: FillSource, answer: BodyAnswer, how: Asking & ExchangeTimes): Promise<void> {
    const { response, begun } = answer;
    const { request, key, declared, sources } = this.#order;
    const { status } = response.head;
    const { requestMs, responseMs, isWhole, beginning } = how;
    const times = { requestMs, responseMs };
    const context = { ...this.#planContext(), ...times };
    if (declared !== undefined && status !== 200) {
      if (source === sources[0] && isNoContent(response.head)) this.#response = response;
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
      this.#deps.announce({ kind: "pass", reason: verdict.reason });
      return;
    }
    const { variant, selecting, realm, fields } = verdict;
    const draft: EntryDraft = { key, variant, realm, status, fields, selecting, class: context.class, ...times };
    await this.#fillFrom({ source, response, draft, isWhole, beginning, begun });
  }

  async #fillFrom(answer: Answer): Promise<void> {
    const { draft, source } = answer;
    const { admit, declared } = this.#order;
    const arrival = this.#arrive(answer);
    const { staging, sealed, fields } = await arrival.bring();
    const refusal = draft.status < 400 ? await admit?.(draft.status, staging, sealed) : undefined;
    if (refusal !== undefined) {
      if (!this.#fallBack(UNREACHABLE, refusal.code)) throw refusal;
      return this.#deps.body.finish(refusal);
    }
    // What another source said of it does not matter any more.
    this.takeResponse()?.discard();
    if (declared !== undefined) this.#order.onProven?.();
    const proven = { ...draft, fields, ...(declared === undefined ? {} : { variant: declaredVariant(sealed.digest) }) };
    this.#deps.body.finish("complete");
    this.#deps.announce({ ...arrival.head, draft: proven, bytes: sealed.bytes });
    await this.#deps.keeping.commit(source, proven, staging);
  }

  #arrive(answer: Answer): Arrival {
    const { store, clock, body, signal, keeping, announce, isHeadKnown, onLength, onUnstorable } = this.#deps;
    this.#arrival = new Arrival(answer, {
      order: this.#order,
      store,
      clock,
      body,
      signal,
      send: (source, fields) => this.#send(source, fields),
      announce,
      isHeadKnown,
      keepCut: (head, staging) => keeping.keepCut(answer.source, head, staging),
      onUnstorable,
    });
    onLength(this.#arrival.head.bytes);
    return this.#arrival;
  }

  #planContext(): PlanContext {
    return { ...this.#order.context, nowMs: this.#deps.clock() };
  }
}

/** An answer that nobody takes for the declared file: an error, or the way to somewhere else. */
function isNoContent({ status, fields }: ResponseHead): boolean {
  return status >= 400 || (status >= 300 && fieldValue(fields, "location") !== undefined);
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
