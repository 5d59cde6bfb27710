import pino, { type Logger } from "pino";
import type { LogLevel } from "./setting-kinds.ts";

/**
 * Fields that may hold a secret, one and two levels deep. Facts never carry them by design; this is the net below.
 * The query of a signed URL is cut by who logs a target.
 */
const SECRETS = ["authorization", "proxy-authorization", "cookie", "set-cookie", "privateKey", "password"];

/** How much of the log may wait for more of it, and for how long: a write for each line is a tenth of what a small hit costs. */
const GATHER_BYTES = 8 * 1024;
const GATHER_MS = 20;
/** pino's number for a warning. */
const WARN = 40;

/**
 * JSON lines on stderr. stdout stays for what a command has to say (addresses, the output of a command that is run), so that
 * `larder serve | head -1` reads the address and a reader that leaves does not break the log. Everyday lines go out a few at a
 * time; a warning, an error and the end of the process write at once, with all that came before.
 */
export function createLog(level: LogLevel): Logger {
  const stream = new GatheringStream();
  process.once("exit", () => stream.flush());
  return pino(
    { level, base: { pid: process.pid }, redact: SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`]) },
    stream,
  );
}

/** pino sets `lastLevel` before each line on a stream that has this. */
const WANTS_METADATA: unique symbol = Symbol.for("pino.metadata");

class GatheringStream {
  readonly [WANTS_METADATA] = true;
  lastLevel = WARN;
  readonly #destination = pino.destination({ fd: 2, sync: true, minLength: GATHER_BYTES });
  #timer: NodeJS.Timeout | undefined;

  write(line: string): void {
    this.#destination.write(line);
    if (this.lastLevel >= WARN) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), GATHER_MS).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#destination.flushSync();
  }
}
