import type { Clock } from "../core/clock.ts";
import type { Declaration } from "../core/declaration.ts";
import type { Entry } from "../core/entry.ts";
import { LarderError, toLarderError } from "../core/errors.ts";
import type { RawFields } from "../core/fields.ts";
import type { Log } from "../core/log.ts";
import { freshenFields, mayServeStale } from "../policy/freshness.ts";
import type { PlanContext, RequestView, ResponseHead } from "../policy/plan.ts";
import { judge } from "../policy/storing.ts";
import type { EntryDraft, Staging, Store } from "../storage/store.ts";
import { download } from "./download.ts";
import { FillReader } from "./fill-reader.ts";
import { contentLength, type Origin, type OriginResponse } from "./origin.ts";
import { Verifier } from "./verify.ts";

/** What one missing or stale resource needs to be fetched. */
export interface FillOrder {
  /** The leader's request: what is stored is judged by it. */
  readonly request: RequestView;
  readonly context: Omit<PlanContext, "nowMs">;
  /** `GET <target URI>`: where the answer will stand. */
  readonly key: string;
  /** The fields to send; with `isConditional`, those that revalidate `entry` among them. */
  fieldsToOrigin(isConditional: boolean): RawFields;
  /** The stored response to be revalidated. */
  readonly entry: Entry | undefined;
  /** What the repository says the bytes must be; they are held back until they prove it. */
  readonly declared: Declaration | undefined;
}

/** What the origin's answer turned out to be. */
export type FillHead =
  /** A body that goes into the store and to every reader. `bytes` is its length where the origin tells it. */
  | { readonly kind: "body"; readonly draft: EntryDraft; readonly bytes: number | undefined }
  /** A 304: the stored response is fresh again. */
  | { readonly kind: "freshened"; readonly entry: Entry }
  /** The origin failed, and the stored response may be served stale. */
  | { readonly kind: "stale"; readonly entry: Entry; readonly detail: string }
  /** Not to be stored: the first to {@link Fill.takeResponse} gets it, the others ask for themselves. */
  | { readonly kind: "pass"; readonly reason: string };

export interface FillDependencies {
  readonly store: Store;
  readonly origin: Origin;
  readonly clock: Clock;
  readonly log: Log;
}

/** The last part of a declared body, held until its digest is verified (or all of a smaller body). */
const HELD_TAIL_BYTES = 64 * 1024;
/** How far the origin may run ahead of the slowest reader once the store is at fault and memory is all there is. */
const FAULTY_WINDOW_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

/**
 * Fetches one resource from its origin into the store and to everyone who waits for it. It belongs to none of them: it
 * runs at the origin's speed, and a slow or vanished reader neither slows nor ends it.
 */
export class Fill {
  readonly order: FillOrder;
  /** Rejects with the origin's fault when there is nothing to serve. */
  readonly head: Promise<FillHead>;
  readonly #dependencies: FillDependencies;
  readonly #abort = new AbortController();
  readonly #readers = new Set<FillReader>();
  #resolveHead: (head: FillHead) => void = () => undefined;
  #rejectHead: (error: LarderError) => void = () => undefined;
  #isHeadKnown = false;
  #response: OriginResponse | undefined;
  #staging: Staging | undefined;
  #heldTotal: number | undefined;
  #end: "complete" | LarderError | undefined;
  #waiting: (() => void)[] = [];
  #isSettled = false;

  constructor(order: FillOrder, dependencies: FillDependencies) {
    this.order = order;
    this.#dependencies = dependencies;
    this.head = new Promise((resolve, reject) => {
      this.#resolveHead = resolve;
      this.#rejectHead = reject;
    });
    // Readers that come and go each handle it; a fill that nobody waits for any more must not end the process.
    this.head.catch(() => undefined);
  }

  get isHeadKnown(): boolean {
    return this.#isHeadKnown;
  }

  /** Body bytes that have come from the origin so far. */
  get originBytes(): number {
    return this.#staging?.appendedBytes ?? 0;
  }

  /** How the body ended: `undefined` while it still grows. */
  get end(): "complete" | LarderError | undefined {
    return this.#end;
  }

  /** Asks the origin and fills, to the end. Never rejects; call once. */
  async run(): Promise<void> {
    try {
      await this.#ask();
    } catch (error) {
      this.#finish(toLarderError(error));
    } finally {
      await this.#settle();
    }
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

  /** Reads the growing body from `first` to `last` (inclusive; to the end when `undefined`). Close the reader. */
  openReader(first = 0, last?: number): FillReader {
    const reader = new FillReader(this, first, last, () => {
      this.#readers.delete(reader);
      this.#announce();
      if (this.#readers.size === 0 && this.#isSettled) void this.#staging?.close();
    });
    this.#readers.add(reader);
    return reader;
  }

  /** Bytes from `position`; `undefined` at the end. Waits while they are still to come or still held. */
  async readAt(position: number, maxBytes: number): Promise<Buffer | undefined> {
    for (;;) {
      const staging = this.#staging;
      const released = this.#releasedBytes();
      if (staging !== undefined && position < released) {
        return await staging.read(position, Math.min(maxBytes, READ_BYTES, released - position));
      }
      if (this.#end === "complete") return undefined;
      if (this.#end !== undefined) throw this.#end;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async #ask(isConditional = this.order.entry !== undefined): Promise<void> {
    const { origin, clock } = this.#dependencies;
    const requestMs = clock();
    let response: OriginResponse;
    try {
      response = await origin.ask(
        "GET",
        this.order.request.target,
        this.order.fieldsToOrigin(isConditional),
        this.#abort.signal,
      );
    } catch (error) {
      const fault = toLarderError(error);
      if (!this.#fallBack({ kind: "unreachable" }, fault.code)) throw fault;
      return;
    }
    const times = { requestMs, responseMs: clock() };
    if (response.head.status === 304 && isConditional) {
      await response.discard();
      if (!this.#freshen(response.head, times)) await this.#ask(false);
      return;
    }
    if (this.#fallBack({ kind: "status", status: response.head.status }, `status-${response.head.status}`))
      return await response.discard();
    await this.#receive(response, times);
  }

  /** @returns whether the failure is hidden behind the stored response. */
  #fallBack(failure: Parameters<typeof mayServeStale>[2], detail: string): boolean {
    const { entry, request } = this.order;
    if (entry === undefined || !mayServeStale(entry, request, failure, this.#planContext())) return false;
    this.#announceHead({ kind: "stale", entry, detail });
    return true;
  }

  #freshen(head: ResponseHead, times: { requestMs: number; responseMs: number }): boolean {
    const { entry } = this.order;
    if (entry === undefined) return false;
    const freshening = freshenFields(entry, head, { ...this.#planContext(), ...times });
    if (freshening === "another") return false;
    this.#announceHead({ kind: "freshened", entry: this.#dependencies.store.freshen(entry, freshening) });
    return true;
  }

  async #receive(response: OriginResponse, times: { requestMs: number; responseMs: number }): Promise<void> {
    const { request, key, declared } = this.order;
    const verdict = judge(request, response.head, { ...this.#planContext(), ...times });
    if (!verdict.store) {
      this.#response = response;
      this.#announceHead({ kind: "pass", reason: verdict.reason });
      return;
    }
    const bytes = contentLength(response.head);
    const verifier = new Verifier(declared);
    if (bytes !== undefined && !verifier.mayBeLong(bytes)) {
      await response.discard();
      throw verifier.sizeMismatch(bytes);
    }
    const { variant, selecting, realm, fields } = verdict;
    const draft: EntryDraft = { key, variant, realm, status: response.head.status, fields, selecting, ...times };
    this.#heldTotal = declared === undefined ? undefined : (declared.bytes ?? bytes ?? Number.POSITIVE_INFINITY);
    this.#staging = await this.#dependencies.store.stage(bytes === undefined ? {} : { expectedBytes: bytes });
    this.#announceHead({ kind: "body", draft, bytes });
    await this.#download(response, this.#staging, verifier);
    verifier.check(await this.#staging.seal());
    this.#finish("complete");
    await this.#commit(draft, this.#staging);
  }

  #download(response: OriginResponse, staging: Staging, verifier: Verifier): Promise<void> {
    const { request, declared } = this.order;
    const { signal } = this.#abort;
    return download(response, {
      staging,
      verifier,
      declared,
      authority: request.target.authority,
      signal,
      askForRest: (continuation) =>
        this.#dependencies.origin.ask(
          "GET",
          request.target,
          [...this.order.fieldsToOrigin(false), ...continuation],
          signal,
        ),
      onBytes: async () => {
        this.#announce();
        if (staging.fault !== undefined) await this.#waitForReaders(staging);
      },
    });
  }

  /** The readers have their bytes already: a store that cannot keep them is logged, and nothing more. */
  async #commit(draft: EntryDraft, staging: Staging): Promise<void> {
    try {
      await staging.commit(draft);
    } catch (error) {
      const { code, message } = toLarderError(error);
      this.#dependencies.log.warn({ code, reason: message, key: draft.key.split("?")[0] }, "served without storing");
    }
  }

  /** With the store at fault only memory holds the bytes: the slowest reader sets the pace, and without readers it ends. */
  async #waitForReaders(staging: Staging): Promise<void> {
    for (;;) {
      if (this.#readers.size === 0)
        throw new LarderError("CLIENT_GONE", "the store is at fault and nobody reads any more");
      const slowest = Math.min(...[...this.#readers].map((reader) => reader.position));
      staging.forget(slowest);
      if (staging.appendedBytes - slowest < FAULTY_WINDOW_BYTES) return;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #releasedBytes(): number {
    const appended = this.#staging?.appendedBytes ?? 0;
    if (this.#end === "complete" || this.#heldTotal === undefined) return appended;
    const total = Number.isFinite(this.#heldTotal) ? this.#heldTotal : appended;
    return Math.min(appended, total - HELD_TAIL_BYTES);
  }

  /** A reader has moved on, or left. */
  noteProgress(): void {
    if (this.#staging?.fault !== undefined) this.#announce();
  }

  #planContext(): PlanContext {
    return { ...this.order.context, nowMs: this.#dependencies.clock() };
  }

  #announceHead(head: FillHead): void {
    this.#isHeadKnown = true;
    this.#resolveHead(head);
  }

  #announce(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #finish(end: "complete" | LarderError): void {
    this.#end ??= end;
    if (end !== "complete") this.#rejectHead(end);
    this.#isHeadKnown = true;
    this.#announce();
  }

  async #settle(): Promise<void> {
    this.#isSettled = true;
    if (this.#end !== "complete") await this.#staging?.abort();
    if (this.#readers.size === 0) await this.#staging?.close();
  }
}
