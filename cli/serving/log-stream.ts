import { writeSync } from "node:fs";
import { systemCode } from "../../core/errors.ts";

/** How much of the log waits for more, and how long: a call of the system for each line is a tenth of a small hit. */
const GATHER_CHARACTERS = 8 * 1024;
const GATHER_MS = 5;
/** How soon a reader that stalled is tried again. */
const RETRY_MS = 20;
/** What is kept for a reader that stalls; beyond that the oldest lines go. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** pino's number for a warning. */
const WARN = 40;
/** pino sets `lastLevel` before each line on a stream that has this. */
const WANTS_METADATA: unique symbol = Symbol.for("pino.metadata");

/**
 * Where the log goes. Everyday lines of a moment go out together; a warning and an error at once, with all that came
 * before. A reader that stalls or has left costs lines, never the proxy: pino's own destination would wait for it, and
 * everything with it.
 */
export class LogStream {
  readonly [WANTS_METADATA] = true;
  lastLevel = WARN;
  readonly #fd: number;
  /** Lines that nobody has tried to write yet. */
  #gathered = "";
  /** What the reader did not take. */
  #refused: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    this.#gathered += line;
    if (this.lastLevel >= WARN || this.#gathered.length >= GATHER_CHARACTERS) this.flush();
    else this.#flushIn(GATHER_MS);
  }

  /** Writes what waits, as far as the reader takes it. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let rest = Buffer.concat([this.#refused, Buffer.from(this.#gathered)]);
    this.#gathered = "";
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest));
    } catch (error) {
      // Only one that may take more later is worth waiting for.
      if (systemCode(error) !== "EAGAIN") rest = rest.subarray(rest.length);
    }
    this.#keep(rest);
    if (rest.length > 0) this.#flushIn(RETRY_MS);
  }

  #flushIn(ms: number): void {
    this.#timer ??= setTimeout(() => this.flush(), ms).unref();
  }

  #keep(rest: Buffer): void {
    // Whole lines go, so that what follows can be read.
    const excess = rest.length - MAX_WAITING_BYTES;
    this.#refused = excess <= 0 ? rest : rest.subarray(rest.indexOf("\n", excess) + 1);
  }
}
