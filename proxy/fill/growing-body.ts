import { setImmediate as nextTurn } from "node:timers/promises";
import { type ErrorCode, LarderError } from "../../core/errors.ts";
import type { Staging } from "../../storage/store.ts";
import { FillReader } from "./fill-reader.ts";

/** The last part of a declared body, held until its digest is verified (or all of a smaller body). */
const HELD_TAIL_BYTES = 64 * 1024;
/** How far the origin may run ahead of the slowest reader once the store is at fault and memory is all there is. */
const FAULTY_WINDOW_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
/** Faults that say nothing against the bytes that came before them. */
const BREAKING_OFF: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["ORIGIN_CUT", "ORIGIN_BODY_TIMEOUT", "CLIENT_GONE"]);

/** What of a body may not go out before it is verified: nothing, the tail of a declared one, or all of a signed one. */
export type Hold =
  | { readonly kind: "nothing" }
  | { readonly kind: "all" }
  | { readonly kind: "tail"; readonly totalBytes: number | undefined };

/**
 * The body of a fill as its readers see it: it grows in staging, and each reads it from a position and at a speed of
 * its own.
 */
export class GrowingBody {
  readonly #readers = new Set<FillReader>();
  #staging: Staging | undefined;
  #hold: Hold = { kind: "nothing" };
  #end: "complete" | LarderError | undefined;
  #waiting: (() => void)[] = [];
  #isSettled = false;

  /** How the body ended: `undefined` while it still grows. */
  get end(): "complete" | LarderError | undefined {
    return this.#end;
  }

  get isRead(): boolean {
    return this.#readers.size > 0;
  }

  get appendedBytes(): number {
    return this.#staging?.appendedBytes ?? 0;
  }

  /** Bytes that readers may have by now. */
  get releasedBytes(): number {
    if (this.#end === "complete" || this.#hold.kind === "nothing") return this.appendedBytes;
    if (this.#hold.kind === "all") return 0;
    return Math.max(0, Math.min(this.appendedBytes, (this.#hold.totalBytes ?? this.appendedBytes) - HELD_TAIL_BYTES));
  }

  /** Begins, or begins again where nothing of an earlier attempt was released: that one is thrown away. */
  async begin(staging: Staging, hold: Hold): Promise<void> {
    const before = this.#staging;
    this.#staging = staging;
    this.#hold = hold;
    await before?.close();
  }

  /** Reads from `first` to `last` (inclusive; to the end when `undefined`). Close the reader. */
  openReader(first = 0, last?: number): FillReader {
    const reader = new FillReader(this, first, last, () => {
      this.#readers.delete(reader);
      this.wake();
      if (this.#readers.size === 0 && this.#isSettled) void this.#staging?.close();
    });
    this.#readers.add(reader);
    return reader;
  }

  /** Bytes from `position`; `undefined` at the end. Waits while they are still to come or still held. */
  async readAt(position: number, maxBytes: number): Promise<Buffer | undefined> {
    for (;;) {
      const released = this.releasedBytes;
      if (this.#staging !== undefined && position < released) {
        return await this.#staging.read(position, Math.min(maxBytes, READ_BYTES, released - position));
      }
      if (this.#end === "complete") return undefined;
      if (this.#end !== undefined) throw this.#end;
      await this.#change();
    }
  }

  /** Resolves when the whole is there and may be read to its last byte. @throws what it has failed with */
  async whole(): Promise<void> {
    while (this.#end === undefined) await this.#change();
    if (this.#end !== "complete") throw this.#end;
  }

  /** A reader has moved on. */
  noteProgress(): void {
    if (this.#staging?.fault !== undefined) this.wake();
  }

  /** Something has changed: whoever waits looks again. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /**
   * With the store at fault only memory holds the bytes: resolves when the slowest reader is near enough.
   * @throws LarderError `CLIENT_GONE` when nobody reads any more.
   */
  async waitForReaders(): Promise<void> {
    const staging = this.#staging;
    // Those who were told of the body a moment ago are about to open their readers.
    if (this.#readers.size === 0) await nextTurn();
    while (staging?.fault !== undefined) {
      if (this.#readers.size === 0)
        throw new LarderError("CLIENT_GONE", "the store is at fault and nobody reads any more");
      const slowest = Math.min(...[...this.#readers].map((reader) => reader.position));
      staging.forget(slowest);
      if (staging.appendedBytes - slowest < FAULTY_WINDOW_BYTES) return;
      await this.#change();
    }
  }

  /** The whole is there and may be read to its last byte, or it has failed. The first end counts. */
  finish(end: "complete" | LarderError): void {
    this.#end ??= end;
    this.wake();
  }

  /**
   * Nothing is written any more: what was not committed is removed, unless it can be gone on with later, and the rest
   * let go when the last reader has left.
   */
  async settle(): Promise<void> {
    this.#isSettled = true;
    if (this.#end !== "complete") await (this.#hasBrokenOff() ? this.#staging?.suspend() : this.#staging?.abort());
    if (this.#readers.size === 0) await this.#staging?.close();
  }

  /** Whether what has come is as good as it ever was, and only the rest is missing. */
  #hasBrokenOff(): boolean {
    return this.#end instanceof LarderError && BREAKING_OFF.has(this.#end.code);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
