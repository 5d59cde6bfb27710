import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { systemCode } from "../core/errors.ts";
import { startThread } from "./thread.ts";

/** How a thread ended that had a task: out of memory, out of time, or by an error that nobody caught. */
export class ThreadEnded extends Error {
  /** Whether the task itself used it up, and would do so with another. */
  readonly isByTask: boolean;

  constructor(name: string, cause: unknown) {
    const isOutOfMemory = systemCode(cause) === "ERR_WORKER_OUT_OF_MEMORY";
    super(isOutOfMemory ? `the ${name} ran out of memory` : `the ${name} ended: ${reasonOf(cause)}`, {
      cause,
    });
    this.isByTask = isOutOfMemory || cause instanceof TookTooLong;
  }
}

class TookTooLong extends Error {}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

export interface TaskThreadOptions {
  readonly name: string;
  /** The module that answers each message with one: its path from the caller, without an extension. */
  readonly module: `./${string}`;
  /** `import.meta.url` of the caller. */
  readonly callerUrl: string;
  readonly data?: unknown;
  /** What the thread may use up. */
  readonly maxHeapMib: number;
  /** For one task. */
  readonly maxTaskMs: number;
}

/** A thread that has worked keeps its memory, some 100 MiB, which others can use better. */
const IDLE_MS = 60_000;

/**
 * A worker thread, started when there is something to do and ended when there was nothing for a minute. Whatever else
 * ends it, the next task starts a new one.
 */
export class TaskThread<Task, Result> {
  readonly #options: TaskThreadOptions;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: TaskThreadOptions) {
    this.#options = options;
  }

  /** Has one task done; the caller waits for it before the next. @throws ThreadEnded */
  async run(task: Task): Promise<Result> {
    clearTimeout(this.#idle);
    const worker = this.#start();
    const settled = new AbortController();
    const { signal } = settled;
    const { name, maxTaskMs } = this.#options;
    worker.ref();
    try {
      worker.postMessage(task);
      const result = once(worker, "message", { signal }).then(([message]) => message as Result);
      const end = once(worker, "exit", { signal }).then(([code]) => Promise.reject(new Error(`exit code ${code}`)));
      const patience = sleep(maxTaskMs, undefined, { signal, ref: false }).then(() => {
        throw new TookTooLong(`one task took longer than ${maxTaskMs / 1000} s`);
      });
      return await Promise.race([result, end, patience]);
    } catch (cause) {
      this.#forget(worker);
      void worker.terminate();
      throw new ThreadEnded(name, cause);
    } finally {
      settled.abort();
      if (this.#worker === worker) this.#rest(worker);
    }
  }

  /** Ends the thread and gives its memory back; what it is doing is undone. The next task starts another. */
  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    // Nothing else may be left that keeps the process until the thread has ended.
    worker?.ref();
    await worker?.terminate();
  }

  #rest(worker: Worker): void {
    worker.unref();
    this.#idle = setTimeout(() => void this.stop(), IDLE_MS).unref();
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const { name, module, callerUrl, data: workerData, maxHeapMib } = this.#options;
    const resourceLimits = { maxOldGenerationSizeMb: maxHeapMib };
    const worker = startThread(module, callerUrl, { name, workerData, resourceLimits });
    // What ends it while it has nothing to do concerns nobody; the next task finds it gone.
    worker.on("error", () => this.#forget(worker));
    worker.on("exit", () => this.#forget(worker));
    this.#worker = worker;
    return worker;
  }

  #forget(worker: Worker): void {
    if (this.#worker === worker) this.#worker = undefined;
  }
}
