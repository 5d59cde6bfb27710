import { setImmediate as nextTurn } from "node:timers/promises";
import type { Entry } from "../../core/entry.ts";
import { type LarderError, toLarderError } from "../../core/errors.ts";
import type { OriginResponse } from "../origin/origin.ts";
import type { FillDependencies, FillHead, FillOrder } from "./fill-order.ts";
import type { FillReader } from "./fill-reader.ts";
import { GrowingBody } from "./growing-body.ts";
import { Keeping } from "./keeping.ts";
import { Sourcing } from "./sourcing.ts";

/**
 * Fetches one resource from its origin into the store and to everyone who waits for it. It belongs to none of them: it
 * runs at the origin's speed, and a slow or vanished reader neither slows nor ends it.
 */
export class Fill {
  readonly order: FillOrder;
  /**
   * Rejects with the origin's fault when there is nothing to serve. Known late for a declared body: with its first
   * released byte.
   */
  readonly head: Promise<FillHead>;
  /**
   * Resolves with what the store holds of it, when it has settled; with `undefined` when nothing can be stored, as soon
   * as that is known.
   */
  readonly kept: Promise<Entry | undefined>;
  /**
   * The length of the body, as soon as its repository or its origin tells; `undefined` where neither does, or none
   * comes.
   */
  readonly length: Promise<number | undefined>;
  /** Resolves when the fill has come to its end, whatever that was. */
  readonly settled: Promise<void>;
  readonly #abort = new AbortController();
  readonly #body = new GrowingBody();
  #resolveHead: (head: FillHead) => void = () => undefined;
  #rejectHead: (error: LarderError) => void = () => undefined;
  #resolveKept: (entry: Entry | undefined) => void = () => undefined;
  #resolveLength: (bytes: number | undefined) => void = () => undefined;
  #resolveSettled: () => void = () => undefined;
  #isHeadKnown = false;
  readonly #keeping: Keeping;
  readonly #sourcing: Sourcing;

  constructor(order: FillOrder, dependencies: FillDependencies) {
    this.order = order;
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
    this.#sourcing = new Sourcing(order, {
      ...dependencies,
      body: this.#body,
      keeping: this.#keeping,
      signal: this.#abort.signal,
      announce: (head) => this.#announceHead(head),
      isHeadKnown: () => this.#isHeadKnown,
      onLength: this.#resolveLength,
      onUnstorable: () => this.#resolveKept(undefined),
    });
  }

  get isHeadKnown(): boolean {
    return this.#isHeadKnown;
  }

  /** Body bytes that have come from the origin so far. */
  get originBytes(): number {
    return this.arrivedBytes - (this.#sourcing.arrival?.begunBytes ?? 0);
  }

  /** Bytes of the body that are there so far, wherever they came from. */
  get arrivedBytes(): number {
    return this.#body.appendedBytes;
  }

  /**
   * The last byte has come, and may have gone out where nothing holds it; it may still have to be sealed and committed.
   */
  get hasLastByte(): boolean {
    return this.#body.end === "complete" || this.arrivedBytes === this.#sourcing.arrival?.head.bytes;
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
      await this.#sourcing.bring();
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
    return this.#sourcing.takeResponse();
  }

  /** Resolves when every byte has come and is verified. @throws the fill's fault */
  whole(): Promise<void> {
    return this.#body.whole();
  }

  /** Reads the growing body from `first` to `last` (inclusive; to the end when `undefined`). Close the reader. */
  openReader(first?: number, last?: number): FillReader {
    return this.#body.openReader(first, last);
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
