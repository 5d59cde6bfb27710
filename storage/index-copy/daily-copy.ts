import { once } from "node:events";
import { statSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { FaultLog } from "../faults.ts";
import type { Layout } from "../layout.ts";
import { isAdopting } from "../lost-index.ts";
import { startThread } from "../thread.ts";
import type { CopyOrder } from "./copy-index.ts";

export interface DailyCopyDependencies {
  readonly layout: Layout;
  /** Whether the index holds anything that would be missed. */
  isWorthwhile(): boolean;
  readonly faults: FaultLog;
  readonly clock: Clock;
  readonly log: Log;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/**
 * A store without a copy gets its first when it has been open for so long; one that never is, at the end of its second
 * day.
 */
const FIRST_AFTER_MS = 5 * 60 * 1000;
/** What went wrong once (a full disk) is not tried again every minute. */
const RETRY_AFTER_MS = 60 * 60 * 1000;
const LOOK_EVERY_MS = 60 * 1000;

/** When the index of a store was copied last, in milliseconds since the Unix epoch; `undefined` when it never was. */
export function indexCopiedMs({ indexCopyFile }: Layout): number | undefined {
  const copy = statSync(indexCopyFile, { throwIfNoEntry: false });
  // utimes(2) gets the time as a fraction, whose last microsecond Node cuts off.
  return copy === undefined ? undefined : Math.round(copy.mtimeMs);
}

/**
 * Has the index copied once a day while the store is open, and when it is closed, where that was not done for a day. A
 * copy that fails costs one line in the log and nothing else.
 */
export class DailyCopy {
  readonly #dependencies: DailyCopyDependencies;
  readonly #openedMs: number;
  readonly #timer: NodeJS.Timeout;
  #notBeforeMs = 0;
  #running: Promise<void> | undefined;

  constructor(dependencies: DailyCopyDependencies) {
    this.#dependencies = dependencies;
    this.#openedMs = dependencies.clock();
    this.#timer = setInterval(() => void this.copyIfDue(), LOOK_EVERY_MS).unref();
  }

  /** Resolves when there is no copy to wait for. Never rejects. */
  copyIfDue(): Promise<void> {
    if (this.#running === undefined && this.#isDue())
      this.#running = this.#copy().finally(() => {
        this.#running = undefined;
      });
    return this.#running ?? Promise.resolve();
  }

  /** Makes the copy that is due, and no more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.copyIfDue();
  }

  /** A copy of the future is one of a clock that was wrong. What blobs are still taken into is not the whole index. */
  #isDue(): boolean {
    const { layout, clock, isWorthwhile } = this.#dependencies;
    const nowMs = clock();
    if (nowMs < this.#notBeforeMs || isAdopting(layout)) return false;
    const copiedMs = indexCopiedMs(layout);
    const isOld = copiedMs === undefined ? this.#hasStoodLong(nowMs) : copiedMs > nowMs || nowMs - copiedMs >= DAY_MS;
    return isOld && isWorthwhile();
  }

  #hasStoodLong(nowMs: number): boolean {
    const bornMs = statSync(this.#dependencies.layout.indexFile, { throwIfNoEntry: false })?.birthtimeMs ?? nowMs;
    return nowMs - this.#openedMs >= FIRST_AFTER_MS || nowMs - bornMs >= DAY_MS;
  }

  async #copy(): Promise<void> {
    const { layout, faults, clock, log } = this.#dependencies;
    const atMs = clock();
    this.#notBeforeMs = atMs + RETRY_AFTER_MS;
    try {
      const order: CopyOrder = { rootDir: layout.rootDir, atMs };
      const thread = startThread("./worker", import.meta.url, { workerData: order, name: "larder-copy" });
      await once(thread, "exit");
      if (indexCopiedMs(layout) !== atMs) throw new Error("the copying worker ended before its work was done");
      faults.recovered("copy");
      log.info({ bytes: statSync(layout.indexCopyFile).size, tookMs: clock() - atMs }, "the index was copied");
    } catch (error) {
      faults.report("copy", error);
    }
  }
}
