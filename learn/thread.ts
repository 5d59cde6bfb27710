import { once } from "node:events";
import type { ResourceLimits, Worker } from "node:worker_threads";
import { systemCode } from "../core/errors.ts";
import { startThread } from "../storage/thread.ts";
import type { Task, TaskResult } from "./tasks.ts";
import type { WorkerData } from "./worker.ts";

/** How a thread ended that had a task: it ran out of memory, or met with an error that nobody caught. */
export class ThreadEnded extends Error {
  readonly isOutOfMemory: boolean;

  constructor(cause: unknown) {
    const isOutOfMemory = systemCode(cause) === "ERR_WORKER_OUT_OF_MEMORY";
    super(isOutOfMemory ? "the learning worker ran out of memory" : `the learning worker ended: ${String(cause)}`, {
      cause,
    });
    this.isOutOfMemory = isOutOfMemory;
  }
}

/**
 * The worker thread, started when there is something to do. Whatever ends it, nothing half written stays: a document is one
 * transaction, and the next task starts a new thread.
 */
export class LearningThread {
  readonly #data: WorkerData;
  readonly #limits: ResourceLimits;
  #worker: Worker | undefined;

  constructor(data: WorkerData, limits: ResourceLimits) {
    this.#data = data;
    this.#limits = limits;
  }

  /** Has one task done; the caller waits for it before the next. @throws ThreadEnded */
  async run(task: Task): Promise<TaskResult> {
    const worker = this.#start();
    const settled = new AbortController();
    const { signal } = settled;
    worker.ref();
    try {
      worker.postMessage(task);
      const result = once(worker, "message", { signal }).then(([message]) => message as TaskResult);
      const end = once(worker, "exit", { signal }).then(([code]) => Promise.reject(new Error(`exit code ${code}`)));
      return await Promise.race([result, end]);
    } catch (cause) {
      this.#forget(worker);
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
    const options = { workerData: this.#data, resourceLimits: this.#limits, name: "larder-learn" };
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
