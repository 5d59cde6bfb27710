import { writeSync } from "node:fs";
import { systemCode } from "../../core/errors.ts";

/** How much of the log waits for the end of the turn. */
const GATHER_BYTES = 8 * 1024;
/** How soon a reader that stalled is tried again. */
const RETRY_MS = 20;
/** What is kept for a reader that stalls; beyond that the oldest lines go. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** pino's number for a warning. */
const WARN = 40;
/** pino sets `lastLevel` before each line on a stream that has this. */
const WANTS_METADATA: unique symbol = Symbol.for("pino.metadata");

/**
 * Where the log goes. Everyday lines of one turn of the event loop go out together; a warning and an error at once, with all that
 * came before. A reader that stalls or has left costs lines, never the proxy: pino's own destination would wait for it, and
 * everything with it.
 */
export class LogStream {
  readonly [WANTS_METADATA] = true;
  lastLevel = WARN;
  readonly #fd: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #atEndOfTurn: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.lastLevel >= WARN || this.#waitingBytes >= GATHER_BYTES) this.flush();
    else this.#atEndOfTurn ??= setImmediate(() => this.flush());
  }

  /** Writes what waits, as far as the reader takes it. */
  flush(): void {
    clearImmediate(this.#atEndOfTurn);
    this.#atEndOfTurn = undefined;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    let rest = Buffer.concat(this.#waiting);
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest));
    } catch (error) {
      // Only one that may take more later is worth waiting for.
      if (systemCode(error) !== "EAGAIN") rest = rest.subarray(rest.length);
    }
    this.#keep(rest);
    if (rest.length > 0) this.#retry = setTimeout(() => this.flush(), RETRY_MS).unref();
  }

  #keep(rest: Buffer): void {
    // Whole lines go, so that what follows can be read.
    const excess = rest.length - MAX_WAITING_BYTES;
    const kept = excess <= 0 ? rest : rest.subarray(rest.indexOf("\n", excess) + 1);
    this.#waiting = kept.length === 0 ? [] : [kept];
    this.#waitingBytes = kept.length;
  }
}
