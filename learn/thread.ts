import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { systemCode } from "../core/errors.ts";
import { startThread } from "../storage/thread.ts";
import type { Task, TaskResult } from "./tasks.ts";
import type { WorkerData } from "./worker.ts";

/** How a thread ended that had a task: out of memory, out of time, or by an error that nobody caught. */
export class ThreadEnded extends Error {
  /** Whether the task itself used it up, and would do so with another. */
  readonly isByTask: boolean;

  constructor(cause: unknown) {
    const isOutOfMemory = systemCode(cause) === "ERR_WORKER_OUT_OF_MEMORY";
    super(isOutOfMemory ? "the learning worker ran out of memory" : `the learning worker ended: ${reasonOf(cause)}`, {
      cause,
    });
    this.isByTask = isOutOfMemory || cause instanceof TookTooLong;
  }
}

class TookTooLong extends Error {}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** What a thread may use up. */
export interface ThreadLimits {
  readonly maxHeapMib: number;
  /** For one task. */
  readonly maxTaskMs: number;
}

/**
 * The worker thread, started when there is something to do. Whatever ends it, nothing half written stays: a document is one
 * transaction, and the next task starts a new thread.
 */
export class LearningThread {
  readonly #data: WorkerData;
  readonly #limits: ThreadLimits;
  #worker: Worker | undefined;

  constructor(data: WorkerData, limits: ThreadLimits) {
    this.#data = data;
    this.#limits = limits;
  }

  /** Has one task done; the caller waits for it before the next. @throws ThreadEnded */
  async run(task: Task): Promise<TaskResult> {
    const worker = this.#start();
    const settled = new AbortController();
    const { signal } = settled;
    const { maxTaskMs } = this.#limits;
    worker.ref();
    try {
      worker.postMessage(task);
      const result = once(worker, "message", { signal }).then(([message]) => message as TaskResult);
      const end = once(worker, "exit", { signal }).then(([code]) => Promise.reject(new Error(`exit code ${code}`)));
      const patience = sleep(maxTaskMs, undefined, { signal, ref: false }).then(() => {
        throw new TookTooLong(`one document took longer than ${maxTaskMs / 1000} s`);
      });
      return await Promise.race([result, end, patience]);
    } catch (cause) {
      this.#forget(worker);
      void worker.terminate();
      throw new ThreadEnded(cause);
    } finally {
      settled.abort();
      if (this.#worker === worker) worker.unref();
    }
  }

  /** Ends the thread and gives its memory back; what it is doing is undone. The next task starts another. */
  async stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    // Nothing else may be left that keeps the process until the thread has ended.
    worker?.ref();
    await worker?.terminate();
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const resourceLimits = { maxOldGenerationSizeMb: this.#limits.maxHeapMib };
    const options = { workerData: this.#data, resourceLimits, name: "larder-learn" };
    const worker = startThread("./worker", import.meta.url, options);
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
