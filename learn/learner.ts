import type { Clock } from "../core/clock.ts";
import type { DigestAlgorithm } from "../core/declaration.ts";
import type { Digest } from "../core/digest.ts";
import type { Realm } from "../core/entry.ts";
import type { Log } from "../core/log.ts";
import type { TargetUri } from "../core/target.ts";
import { locateMetadata } from "../ecosystems/locate.ts";
import type { MetadataPlace } from "../ecosystems/metadata.ts";
import { canonicalUri } from "../ecosystems/repository-path.ts";
import type { DeclarationIndex } from "../storage/declarations.ts";
import { type Layout, layoutOf } from "../storage/layout.ts";
import { TaskThread, ThreadEnded } from "../storage/task-thread.ts";
import type { ConfiguredRepository, LearnOutcome, LearnTask, Task, TaskResult } from "./tasks.ts";
import type { WorkerData } from "./worker.ts";

/** A root, member or list of mirrors whose body is a blob of the store, unless it comes along. */
export interface LearnJob {
  readonly target: TargetUri;
  readonly digest: Digest;
  readonly realm: Realm;
  /** Where it stands, when its request told more than its URI does: a packument, the page of an index. */
  readonly place?: MetadataPlace | undefined;
  /** The body of what may not be stored. */
  readonly bytes?: Uint8Array | undefined;
  /** The Content-Encoding that its origin gave it. */
  readonly coding?: string | undefined;
  /** When it was seen; just now unless that is given. */
  readonly seenMs?: number;
}

/** Reads metadata behind the downloads, in a thread of its own, one document at a time and in the order they came. */
export interface Learner {
  /**
   * Learns what a stored document declares, and when it was seen: to be called whenever a root, member or mirror
   * list was stored or found to be current (304). What is known already costs little. Never rejects.
   */
  learn(job: LearnJob): Promise<LearnOutcome>;
  /** Makes the bases of each one repository, and no longer those that were configured before. Never rejects. */
  configure(repositories: readonly ConfiguredRepository[]): Promise<LearnOutcome>;
  /** Hashes a stored blob by another algorithm. @returns lower-case hex; `undefined` when that is not possible. Never rejects. */
  hash(blob: Digest, algorithm: DigestAlgorithm): Promise<string | undefined>;
  /**
   * Resolves when every document has been read that was handed in before and may declare something about the URI, or after
   * some seconds; `undefined` when there is none.
   * @param uri canonical
   */
  pending(uri: string, realm: Realm): Promise<void> | undefined;
  /** Has whoever asks {@link pending} wait for this as well, some seconds from now at most: it may declare something about any URI. */
  hold(work: Promise<unknown>): void;
  /** Ends the thread; what it is reading is not learnt. */
  close(): Promise<void>;
}

export interface LearnerOptions {
  /** The folder of the store. */
  readonly rootDir: string;
  /** What the learner writes is asked here; it is told when there is more. */
  readonly index: Pick<DeclarationIndex, "find" | "mirrorsOf" | "refresh">;
  readonly clock: Clock;
  readonly log: Log;
  /** What the thread's heap may hold; a document that takes more is not learnt. */
  readonly maxHeapMib?: number;
  /** How long one document may take; one that takes longer is not learnt. */
  readonly maxTaskMs?: number;
}

/** A reader keeps every path of its document: some 200 bytes for each of a million, which is more than any has. */
const MAX_HEAP_MIB = 512;
/** Twenty times what the largest index takes on a busy machine: whatever takes longer does not end. */
const MAX_TASK_MS = 3 * 60 * 1000;
/** The largest index takes half of that on a very busy machine; apt and dnf leave a server that is silent for 30 s. */
const PATIENCE_MS = 25_000;
/** Documents that are known to be broken are not read again each time they are asked for. */
const MAX_BROKEN = 1_000;
const IGNORED: LearnOutcome = { kind: "ignored" };

export function createLearner(options: LearnerOptions): Learner {
  return new ThreadedLearner(options);
}

/** A document that is being read or waits for it. */
interface Lesson {
  readonly realm: Realm;
  /** What it may declare something about. */
  readonly bases: readonly string[];
  readonly outcome: Promise<LearnOutcome>;
}

class ThreadedLearner implements Learner {
  readonly #index: LearnerOptions["index"];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #layout: Layout;
  readonly #thread: TaskThread<Task, TaskResult>;
  readonly #lessons = new Map<string, Lesson>();
  readonly #broken = new Map<string, LearnOutcome>();
  #held: Promise<void> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #hasFailed = false;
  #isClosed = false;

  constructor(options: LearnerOptions) {
    const { rootDir, index, clock, log, maxHeapMib = MAX_HEAP_MIB, maxTaskMs = MAX_TASK_MS } = options;
    this.#index = index;
    this.#clock = clock;
    this.#log = log;
    this.#layout = layoutOf(rootDir);
    const data: WorkerData = { rootDir };
    const module = { module: "./worker", callerUrl: import.meta.url } as const;
    this.#thread = new TaskThread({ name: "learning worker", ...module, data, maxHeapMib, maxTaskMs });
  }

  learn(job: LearnJob): Promise<LearnOutcome> {
    const { target, realm, digest, seenMs: atMs = this.#clock() } = job;
    const name = `${realm} ${target.uri} ${digest}`;
    const begun = this.#lessons.get(name);
    if (begun !== undefined) return begun.outcome;
    const outcome = this.#inTurn(() => this.#teach(job, atMs)).finally(() => this.#lessons.delete(name));
    this.#lessons.set(name, { realm, bases: this.#basesOf(job, atMs), outcome });
    return outcome;
  }

  configure(repositories: readonly ConfiguredRepository[]): Promise<LearnOutcome> {
    return this.#inTurn(() => this.#carryOut({ kind: "configured", repositories, atMs: this.#clock() }));
  }

  async hash(blob: Digest, algorithm: DigestAlgorithm): Promise<string | undefined> {
    const task = { kind: "hash", file: this.#layout.blobFile(blob), algorithm } as const;
    const result = await this.#inTurn(() => this.#run(task));
    return result.kind === "hashed" ? result.digest : undefined;
  }

  pending(uri: string, realm: Realm): Promise<void> | undefined {
    const outcomes: Promise<unknown>[] = [...this.#lessons.values()]
      .filter((lesson) => lesson.realm === realm && lesson.bases.some((base) => uri.startsWith(base)))
      .map(({ outcome }) => outcome);
    if (this.#held !== undefined) outcomes.push(this.#held);
    return outcomes.length === 0 ? undefined : within(PATIENCE_MS, Promise.all(outcomes));
  }

  hold(work: Promise<unknown>): void {
    const held = within(PATIENCE_MS, work).finally(() => {
      if (this.#held === held) this.#held = undefined;
    });
    this.#held = held;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread.stop();
    await this.#last;
  }

  async #teach(job: LearnJob, atMs: number): Promise<LearnOutcome> {
    const task = this.#taskFor(job, atMs);
    if (task === undefined) return IGNORED;
    const name = `${job.digest} ${job.target.uri}`;
    const broken = this.#broken.get(name);
    if (broken !== undefined) return broken;
    const outcome = await this.#carryOut(task);
    if (outcome.kind === "broken") this.#noteBroken(name, outcome, job);
    if (outcome.kind === "learnt" && outcome.skipped > 0) this.#noteSkipped(outcome.skipped, job);
    if (outcome.kind === "learnt") void this.#inTurn(() => this.#collect());
    return outcome;
  }

  /** A member is known as such by what its root declares, wherever it lies; so this is decided when its turn comes. */
  #taskFor(job: LearnJob, atMs: number): LearnTask | undefined {
    const { target, digest, realm, bytes, coding, place = locateMetadata(target) } = job;
    const stored = { digest, realm, atMs, bytes, coding, file: this.#layout.blobFile(digest) };
    if (place?.role === "mirrors") return { ...stored, ...place, kind: "mirrors", uri: target.uri };
    if (place?.role === "root")
      return { ...stored, ...place, kind: "root", uri: place.base + place.path, scope: place.scope ?? "" };
    const uri = canonicalUri(target);
    const declared = uri === undefined ? undefined : this.#index.find(uri, { realm, nowMs: atMs });
    if (declared?.isIndex !== true) return undefined;
    const { ecosystem, base, path } = declared;
    return { ...stored, kind: "member", ecosystem, base, path };
  }

  /** The base that a document is about, with its mirrors; where that is not known yet, all that its host has. */
  #basesOf({ target, realm, place = locateMetadata(target) }: LearnJob, nowMs: number): readonly string[] {
    if (place?.role === "mirrors") return place.base === undefined ? [] : [place.base];
    const uri = canonicalUri(target);
    const declared = uri === undefined ? undefined : this.#index.find(uri, { realm, nowMs });
    const base = declared?.base ?? place?.base ?? `${target.scheme}://${target.authority}/`;
    return [base, ...this.#index.mirrorsOf(base, { realm, nowMs })];
  }

  async #carryOut(task: LearnTask): Promise<LearnOutcome> {
    const result = await this.#run(task);
    this.#index.refresh();
    return result.kind === "collected" || result.kind === "hashed" ? IGNORED : result;
  }

  /** Removes what nothing leads to any more, while there is nothing to read. */
  async #collect(): Promise<void> {
    for (let isMoreLeft = true; isMoreLeft && this.#lessons.size === 0; ) {
      const result = await this.#run({ kind: "collect", atMs: this.#clock() });
      isMoreLeft = result.kind === "collected" && result.isMoreLeft;
    }
    this.#index.refresh();
  }

  async #run(task: Task): Promise<TaskResult> {
    if (this.#isClosed) return { kind: "failed", reason: "larder is closing" };
    const result = await this.#runAgain(task).catch(asResult);
    if (result.kind === "failed") this.#noteFailure(result.reason);
    else this.#hasFailed = false;
    return result;
  }

  /** A thread that ended for no fault of its task is replaced at once: what it was reading is learnt all the same. */
  async #runAgain(task: Task): Promise<TaskResult> {
    try {
      return await this.#thread.run(task);
    } catch (error) {
      if (this.#isClosed || !(error instanceof ThreadEnded) || error.isByTask) throw error;
      this.#log.warn(
        { reason: error.message },
        "the learning worker is started anew, and does again what it was doing",
      );
      return await this.#thread.run(task);
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #noteBroken(name: string, outcome: LearnOutcome & { kind: "broken" }, job: LearnJob): void {
    if (this.#broken.size >= MAX_BROKEN) this.#broken.clear();
    this.#broken.set(name, outcome);
    this.#log.warn({ ...nameOf(job), reason: outcome.reason }, "metadata is broken; nothing is learnt from it");
  }

  #noteSkipped(files: number, job: LearnJob): void {
    const reason = "outside the repository, in contradiction, or without a digest";
    this.#log.warn({ ...nameOf(job), files, reason }, "metadata describes files that cannot be believed");
  }

  /** Once, until it works again. */
  #noteFailure(reason: string): void {
    if (!this.#hasFailed && !this.#isClosed)
      this.#log.error({ reason }, "metadata cannot be learnt; downloads go on without declarations");
    this.#hasFailed = true;
  }
}

/** Without the query, which can hold a signature. */
function nameOf({ target, digest }: LearnJob): { readonly uri: string; readonly digest: Digest } {
  return { uri: target.uri.replace(/\?.*$/, ""), digest };
}

function asResult(error: unknown): TaskResult {
  const reason = error instanceof Error ? error.message : String(error);
  return { kind: error instanceof ThreadEnded && error.isByTask ? "broken" : "failed", reason };
}

/** Resolves with the work or after that time, whichever comes first. */
async function within(maxMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, maxMs).unref();
  });
  await Promise.race([work, patience]).finally(() => clearTimeout(timer));
}
