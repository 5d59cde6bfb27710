import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import type { Declaration } from "../core/declaration.ts";
import type { Entry } from "../core/entry.ts";
import { LarderError, toLarderError } from "../core/errors.ts";
import type { RawFields } from "../core/fields.ts";
import type { Log } from "../core/log.ts";
import { freshenFields, mayServeStale } from "../policy/freshness.ts";
import type { ExchangeTimes, PlanContext, ResponseHead } from "../policy/plan.ts";
import { judge, judgeDeclared } from "../policy/storing.ts";
import type { EntryDraft, Staging, Store } from "../storage/store.ts";
import { download } from "./download.ts";
import type { FillHead, FillOrder, FillSource } from "./fill-order.ts";
import type { FillReader } from "./fill-reader.ts";
import { GrowingBody, type Hold } from "./growing-body.ts";
import { Keeping } from "./keeping.ts";
import { contentLength, type Origin, type OriginResponse } from "./origin.ts";
import { askThroughRedirects } from "./redirects.ts";
import { isMismatch, Verifier } from "./verify.ts";

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
  /** Resolves when the fill has come to its end, whatever that was. */
  readonly settled: Promise<void>;
  readonly #dependencies: FillDependencies;
  readonly #abort = new AbortController();
  readonly #body = new GrowingBody();
  #resolveHead: (head: FillHead) => void = () => undefined;
  #rejectHead: (error: LarderError) => void = () => undefined;
  #resolveKept: (entry: Entry | undefined) => void = () => undefined;
  #resolveSettled: () => void = () => undefined;
  #isHeadKnown = false;
  /** What was wrong with the sources that were asked before. */
  readonly #faults: LarderError[] = [];
  #arriving: (FillHead & { kind: "body" }) | undefined;
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
    return this.#body.appendedBytes;
  }

  /** The last byte has come, and may have gone out where nothing holds it; it may still have to be sealed and committed. */
  get hasLastByte(): boolean {
    return this.#body.end === "complete" || this.originBytes === this.#arriving?.bytes;
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
    const { sources, entry } = this.order;
    const faults = this.#faults;
    for (const source of sources) {
      try {
        return await this.#ask(source, entry !== undefined);
      } catch (error) {
        const fault = toLarderError(error);
        this.order.onFault?.(source, fault);
        faults.push(fault);
        if (fault.source !== "origin" || this.#isHeadKnown) break;
      }
    }
    // Wrong bytes anywhere tell most; else the place that was asked for itself tells more than its mirrors.
    throw faults.find(isMismatch) ?? faults[0] ?? new LarderError("INTERNAL", "a fill without a source");
  }

  async #ask(source: FillSource, isConditional: boolean): Promise<void> {
    const { clock } = this.#dependencies;
    const requestMs = clock();
    let response: OriginResponse;
    try {
      response = await this.#send(source, source.fieldsToOrigin(isConditional));
    } catch (error) {
      const fault = toLarderError(error);
      if (this.#abort.signal.aborted || !this.#fallBack({ kind: "unreachable" }, fault.code)) throw fault;
      return;
    }
    const times = { requestMs, responseMs: clock() };
    const { status } = response.head;
    if (status === 304 && isConditional) {
      response.discard();
      if (!(await this.#freshen(source, response.head, times))) await this.#ask(source, false);
      return;
    }
    if (this.#fallBack({ kind: "status", status }, `status-${status}`)) return response.discard();
    await this.#receive(source, response, times);
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

  async #receive(source: FillSource, response: OriginResponse, times: ExchangeTimes): Promise<void> {
    const { request, key, declared, sources } = this.order;
    const { status } = response.head;
    const context = { ...this.#planContext(), ...times };
    // The last word is handed on as it is, unless it only hides that another source had the file, and had it wrong.
    const isLastWord = source === sources.at(-1) && !this.#faults.some(isMismatch);
    if (declared !== undefined && status !== 200 && !isLastWord) {
      response.discard();
      throw new LarderError("ORIGIN_STATUS", `${source.target.authority} answered ${status}`, { details: { status } });
    }
    const verdict =
      declared === undefined ? judge(request, response.head, context) : judgeDeclared(request, response.head, context);
    if (!verdict.store) {
      this.#response = response;
      this.#announceHead({ kind: "pass", reason: verdict.reason });
      return;
    }
    const { variant, selecting, realm, fields } = verdict;
    const draft: EntryDraft = { key, variant, realm, status, fields, selecting, class: context.class, ...times };
    await this.#fillFrom(source, response, draft);
  }

  async #fillFrom(source: FillSource, response: OriginResponse, draft: EntryDraft): Promise<void> {
    const { declared } = this.order;
    const verifier = new Verifier(declared);
    const announced = contentLength(response.head);
    if (announced !== undefined && !verifier.mayBeLong(announced)) {
      response.discard();
      throw verifier.sizeMismatch(announced);
    }
    const bytes = declared?.bytes ?? announced;
    const staging = await this.#dependencies.store.stage(bytes === undefined ? {} : { expectedBytes: bytes });
    const mustBeAdmitted = this.order.admit !== undefined && draft.status < 400;
    await this.#body.begin(staging, mustBeAdmitted ? { kind: "all" } : holdOf(declared, bytes));
    this.#arriving = { kind: "body", draft, bytes };
    // A declared body may yet be thrown away for another source's: its head goes out with its first byte.
    if (declared === undefined && !mustBeAdmitted) this.#announceHead(this.#arriving);
    await this.#download(source, response, { staging, verifier, declared });
    const sealed = await staging.seal();
    verifier.check(sealed);
    const refusal = mustBeAdmitted ? await this.order.admit?.(draft.status, staging, sealed) : undefined;
    if (refusal !== undefined) {
      if (!this.#fallBack({ kind: "unreachable" }, refusal.code)) throw refusal;
      return this.#body.finish(refusal);
    }
    this.#body.finish("complete");
    this.#announceHead({ ...this.#arriving, bytes: sealed.bytes });
    const variant = declared === undefined ? draft.variant : declaredVariant(sealed.digest);
    await this.#keeping.commit(source, { ...draft, variant }, staging);
  }

  #download(source: FillSource, response: OriginResponse, into: DownloadInto): Promise<void> {
    return download(response, {
      ...into,
      authority: source.target.authority,
      signal: this.#abort.signal,
      askForRest: (continuation) => this.#send(source, [...source.fieldsToOrigin(false), ...continuation]),
      onBytes: async () => {
        if (this.#arriving !== undefined && this.#body.releasedBytes > 0) this.#announceHead(this.#arriving);
        this.#body.wake();
        if (into.staging.fault === undefined) return;
        this.#resolveKept(undefined);
        // Before the head is known nobody can read, and what is held back until then is little.
        if (this.#isHeadKnown) await this.#body.waitForReaders();
      },
    });
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

function holdOf(declared: Declaration | undefined, totalBytes: number | undefined): Hold {
  return declared === undefined ? { kind: "nothing" } : { kind: "tail", totalBytes };
}

interface DownloadInto {
  readonly staging: Staging;
  readonly verifier: Verifier;
  readonly declared: Declaration | undefined;
}

/**
 * The variant under which a declared body is stored: its digest, so that what a name meant in one generation stands beside
 * what it means in the next.
 */
export function declaredVariant(digest: string): string {
  return `sha256-${digest}`;
}
