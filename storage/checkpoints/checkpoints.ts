import { setImmediate as nextTurn } from "node:timers/promises";
import { LarderError } from "../../core/errors.ts";
import { BUSY_TIMEOUT_MS, type Database } from "../database.ts";
import type { FaultLog } from "../faults.ts";
import { TaskThread, ThreadEnded } from "../task-thread.ts";
import { checkpoint, keepLog, walState } from "./checkpoint.ts";

/** What the thread is started with. */
export interface CheckpointData {
  readonly path: string;
  readonly busyTimeoutMs: number;
}

export type Checkpointed =
  | { readonly kind: "moved"; readonly isRenewed: boolean }
  | { readonly kind: "failed"; readonly message: string };

export interface CheckpointsDependencies {
  /** The connection that writes the database. */
  readonly db: Database;
  readonly path: string;
  readonly faults: FaultLog;
  /** Where it is done; a thread of its own unless that is given. */
  readonly thread?: Pick<TaskThread<"checkpoint", Checkpointed>, "run" | "stop">;
}

/** How often is looked how long the log is when nobody writes in bulk. */
const LOOK_EVERY_MS = 250;
/** The log is moved whenever it has grown by so much: 20 MiB. */
const GROWN_PAGES = 5_000;
/** A log of 64 MiB has outrun its checkpoint: bulk writers wait for the end of that. */
const MOST_PAGES = 16_384;
/**
 * While bulk writers wait, single rows of others may still come between; more often than this is not worth their
 * waiting.
 */
const MAX_HELD_PASSES = 3;
/** Its cache of pages is SQLite's own memory; the heap holds next to nothing. */
const MAX_HEAP_MIB = 64;
/** A disk that needs longer for some 20 MiB is not one to wait for. */
const MAX_TASK_MS = 10 * 60 * 1000;

/**
 * Keeps the write-ahead log of a database short, whoever writes: a thread with a connection of its own moves it into
 * the database. SQLite would do that inside whichever commit crosses a line, and fsync both files there: 100 ms in
 * which nobody was answered.
 *
 * The log only begins anew when all of it was moved and nothing was added meanwhile. So who writes much, and makes
 * nobody wait, takes {@link turn}s, and waits there during the last, short part of it. Only who reads an old state for
 * long keeps the log from that.
 */
export class Checkpoints {
  readonly #dependencies: CheckpointsDependencies;
  readonly #thread: Pick<TaskThread<"checkpoint", Checkpointed>, "run" | "stop">;
  readonly #timer: NodeJS.Timeout;
  /** How long the log was when it was last left as it is; a look that finds it shorter knows that it began anew. */
  #leftPages = 0;
  /** Never rejects. */
  #running: Promise<void> | undefined;
  #isHeld = false;
  #isClosed = false;

  constructor(dependencies: CheckpointsDependencies) {
    const { db, path } = dependencies;
    this.#dependencies = dependencies;
    this.#thread = dependencies.thread ?? threadFor(path);
    keepLog(db);
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** What who writes in bulk has to wait for, if anything. Never rejects. */
  hold(): Promise<void> | undefined {
    this.look();
    return this.#isHeld ? this.#running : undefined;
  }

  /** A turn for others between two batches of writing: for exchanges, and for a checkpoint that is about to end. */
  async turn(): Promise<void> {
    await nextTurn();
    await this.hold();
  }

  /** Begins to move the log when it has grown long. */
  look(): void {
    if (this.#isClosed) return;
    const pages = this.#pages();
    if (this.#running !== undefined) this.#isHeld ||= pages >= MOST_PAGES;
    else if (pages < this.#leftPages) this.#leftPages = pages;
    else if (pages - this.#leftPages >= GROWN_PAGES) this.#running = this.#move(pages);
  }

  /** To be called before the connection is closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#running;
    await this.#thread.stop();
  }

  #pages(): number {
    try {
      return walState(this.#dependencies.db).pages;
    } catch (error) {
      this.#dependencies.faults.report("checkpoint", error);
      return 0;
    }
  }

  async #move(pages: number): Promise<void> {
    this.#leftPages = pages;
    try {
      for (let pass = 0; pass <= MAX_HELD_PASSES; pass++) {
        if (await this.#pass()) {
          this.#leftPages = 0;
          return;
        }
        this.#isHeld = true;
      }
    } catch (error) {
      this.#dependencies.faults.report("checkpoint", error);
    } finally {
      this.#isHeld = false;
      this.#running = undefined;
    }
  }

  /** @returns whether the log has begun anew */
  async #pass(): Promise<boolean> {
    const answer = await this.#thread.run("checkpoint").catch((error: ThreadEnded) => error);
    if (answer instanceof ThreadEnded) return this.#moveHere(answer);
    if (answer.kind === "failed") throw new LarderError("STORE_UNWRITABLE", answer.message);
    this.#dependencies.faults.recovered("checkpoint");
    return answer.isRenewed;
  }

  /** A thread that cannot be had is done without. */
  #moveHere(error: ThreadEnded): boolean {
    if (this.#isClosed) return true;
    this.#dependencies.faults.report("checkpoint", error);
    return checkpoint(this.#dependencies.db);
  }
}

function threadFor(path: string): TaskThread<"checkpoint", Checkpointed> {
  const data: CheckpointData = { path, busyTimeoutMs: BUSY_TIMEOUT_MS };
  return new TaskThread({
    name: "checkpoint thread",
    module: "./worker",
    callerUrl: import.meta.url,
    data,
    maxHeapMib: MAX_HEAP_MIB,
    maxTaskMs: MAX_TASK_MS,
  });
}
