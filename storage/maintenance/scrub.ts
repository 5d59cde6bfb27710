import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";
import { toLarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { BlobFiles } from "../blobs/blob-files.ts";
import type { StoreParts } from "./parts.ts";
import { type BlobRow, Rows } from "./rows.ts";
import { type EndedScrub, readScrubState, type ScrubRound, type ScrubState, writeScrubState } from "./scrub-state.ts";

/** 16 MiB/s: 50 GiB in under an hour, a tenth or less of what disks read and a hundredth of a core. */
const BYTES_PER_MS = (16 * 1024 * 1024) / 1000;
/** Read between two rests. */
const STRIDE_BYTES = 1024 * 1024;
/** What opening a file counts as: many small blobs are not read faster than 256 a second. */
const FILE_BYTES = 64 * 1024;
/** While bodies come in the disk is theirs; but a larder that is never idle is to be looked through as well. */
const PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
/** How often is looked whether a round is due. A timer of weeks would not notice a machine that slept. */
const LOOK_EVERY_MS = 60 * 60 * 1000;
/** How much of a round a crash may cost. */
const NOTE_EVERY_MS = 10_000;

/** How far the scrub is, and how the last round ended. */
export interface ScrubReport {
  readonly everyMs: number;
  /** `share` of the round that is done, from 0 to 1. */
  readonly round: (Omit<ScrubRound, "after"> & { readonly share: number }) | undefined;
  readonly last: EndedScrub | undefined;
}

export interface ScrubberOptions {
  readonly parts: StoreParts;
  /** From the start of one round to the start of the next; 0: never. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves after that time, or as soon as the signal says so. */
  readonly rest?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Reads every blob again from time to time, slowly and while nobody needs the disk, for bits that flip while nobody
 * looks. What is found damaged is read a second time, and goes with its entries when that agrees, as with `store verify
 * --repair`. A round that is ended by the end of larder goes on where it was with the next.
 */
export class Scrubber {
  readonly #parts: StoreParts;
  readonly #everyMs: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #rest: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly #rows: Rows;
  readonly #files: BlobFiles;
  readonly #end = new AbortController();
  #state: ScrubState;
  #notedMs = Number.NEGATIVE_INFINITY;
  #strideBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor({ parts, everyMs, clock, log, rest = restFor }: ScrubberOptions) {
    this.#parts = parts;
    this.#everyMs = everyMs;
    this.#clock = clock;
    this.#log = log;
    this.#rest = rest;
    this.#rows = new Rows(parts.db);
    this.#files = new BlobFiles(parts.layout);
    this.#state = readScrubState(parts.layout);
  }

  /** Begins what is due, now and from time to time, until {@link close}. */
  start(): void {
    void this.look();
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  /** Resolves when what is due is done. Never rejects: what fails is logged, and tried again with the next look. */
  look(): Promise<void> {
    if (this.#running === undefined && this.#isDue)
      this.#running = this.#scrub()
        .catch((error: unknown) => this.#log.error({ error: toLarderError(error).message }, "the scrub was broken off"))
        .finally(() => {
          this.#running = undefined;
        });
    return this.#running ?? Promise.resolve();
  }

  report(): ScrubReport {
    const { round, last } = this.#state;
    if (round === undefined) return { everyMs: this.#everyMs, round, last };
    const { after, ...tally } = round;
    return { everyMs: this.#everyMs, round: { ...tally, share: shareBefore(after) }, last };
  }

  /** Resolves when nothing is being read any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#end.abort();
    await this.#running;
  }

  /** A clock that was put back puts nothing off. */
  get #isDue(): boolean {
    const { round, last } = this.#state;
    if (this.#everyMs === 0 || this.#end.signal.aborted) return false;
    if (round !== undefined || last === undefined) return true;
    const sinceMs = this.#clock() - last.startedMs;
    return sinceMs >= this.#everyMs || sinceMs < 0;
  }

  async #scrub(): Promise<void> {
    let round = this.#state.round ?? beginAt(this.#clock());
    try {
      for (;;) {
        const batch = this.#rows.blobsAfter(round.after);
        if (batch.length === 0) break;
        for (const blob of batch) {
          const found = await this.#check(blob);
          if (this.#end.signal.aborted) return;
          round = added(round, blob, found);
          this.#state = { ...this.#state, round };
          await this.#noteSometimes();
        }
      }
      const { after: _, ...tally } = round;
      this.#ended({ ...tally, endedMs: this.#clock() });
    } finally {
      await this.#note();
    }
  }

  /** What the reader takes for damaged the writer reads again, and has the last word on. */
  async #check({ digest, bytes }: BlobRow): Promise<Finding> {
    try {
      await this.#pace(FILE_BYTES);
      await this.#files.verify(digest, bytes, (read) => this.#pace(read));
      return "sound";
    } catch (error) {
      if (this.#end.signal.aborted) return "unread";
      const { code, message } = toLarderError(error);
      if (code !== "BLOB_CORRUPT" && code !== "BLOB_MISSING") {
        this.#log.warn({ digest, reason: message }, "the scrub cannot read a blob");
        return "unread";
      }
      const verdict = await this.#parts.blobs.judge(digest, true);
      return verdict === "sound" ? "sound" : "lost";
    }
  }

  /** @throws when larder ends */
  async #pace(bytes: number): Promise<void> {
    const { signal } = this.#end;
    this.#strideBytes += bytes;
    if (this.#strideBytes < STRIDE_BYTES) return signal.throwIfAborted();
    await this.#rest(this.#strideBytes / BYTES_PER_MS, signal);
    this.#strideBytes = 0;
    for (let pausedMs = 0; this.#parts.quota.isFilling && pausedMs < MAX_PAUSE_MS; pausedMs += PAUSE_MS)
      await this.#rest(PAUSE_MS, signal);
    signal.throwIfAborted();
  }

  async #noteSometimes(): Promise<void> {
    const nowMs = this.#clock();
    if (Math.abs(nowMs - this.#notedMs) < NOTE_EVERY_MS) return;
    this.#notedMs = nowMs;
    await this.#note();
  }

  /** What cannot be noted is read again by the next larder. */
  async #note(): Promise<void> {
    try {
      await writeScrubState(this.#parts.layout, this.#state);
    } catch (error) {
      this.#log.debug({ error: toLarderError(error).message }, "how far the scrub is could not be noted");
    }
  }

  #ended(last: EndedScrub): void {
    this.#state = { round: undefined, last };
    const { startedMs, endedMs, ...tally } = last;
    if (last.blobs > 0)
      this.#log.info({ ...tally, seconds: (endedMs - startedMs) / 1000 }, "every blob was read again");
  }
}

type Finding = "sound" | "lost" | "unread";

function beginAt(startedMs: number): ScrubRound {
  return { startedMs, after: undefined, blobs: 0, bytes: 0, lost: 0, unread: 0 };
}

function added(round: ScrubRound, { digest, bytes }: BlobRow, found: Finding): ScrubRound {
  const { blobs, bytes: before, lost, unread } = round;
  return {
    ...round,
    after: digest,
    blobs: blobs + 1,
    bytes: before + bytes,
    lost: lost + (found === "lost" ? 1 : 0),
    unread: unread + (found === "unread" ? 1 : 0),
  };
}

/** Digests are spread evenly: how far the first of their digits are is how far the round is. */
function shareBefore(after: ScrubRound["after"]): number {
  return after === undefined ? 0 : Number.parseInt(after.slice(0, 8), 16) / 2 ** 32;
}

function restFor(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
