import type { Progress } from "../../storage/maintenance/keeping.ts";
import { formatBytes } from "../line/output.ts";

/** More often than that nobody can read it. */
const EVERY_MS = 100;
const CLEAR_LINE = "\r\x1b[K";

/** One line on stderr that says how far work has come, written over itself; nothing where nobody looks. */
export class ProgressLine {
  readonly #isSeen = process.stderr.isTTY === true;
  #shownMs = Number.NEGATIVE_INFINITY;

  show(progress: Progress): void {
    const nowMs = performance.now();
    if (!this.#isSeen || nowMs - this.#shownMs < EVERY_MS) return;
    this.#shownMs = nowMs;
    process.stderr.write(`${CLEAR_LINE}${describe(progress)}`);
  }

  /** Gives the line back to what is said next. */
  clear(): void {
    if (this.#shownMs > 0) process.stderr.write(CLEAR_LINE);
    this.#shownMs = Number.NEGATIVE_INFINITY;
  }
}

function describe({ step, done, total, bytes }: Progress): string {
  const of = total === undefined ? "" : ` of ${total}`;
  return `${step}: ${done}${of}${bytes === undefined ? "" : `, ${formatBytes(bytes)}`}`;
}
