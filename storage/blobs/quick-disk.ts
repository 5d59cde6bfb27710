import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { systemCode } from "../../core/errors.ts";
import { makeFolder } from "../../core/folder.ts";

/** A write that took longer than this stood in everybody's way. */
const PATIENCE_MS = 25;
/** How long the disk is then left to the thread pool. */
const REST_MS = 1_000;

/** Where a small file goes, and by which name it comes there. */
export interface QuickWrite {
  readonly draftPath: string;
  readonly path: string;
  /** Its permissions, less the umask. */
  readonly mode: number;
}

/**
 * Writes small files on the thread that asks, as SQLite does with its rows. Measured on Node 20 with 10 KiB: 50 µs of
 * CPU for open, write, close and rename together, 380 µs through libuv's pool, whose threads are woken for each of
 * them. A disk that makes it wait is left alone for a second: the caller then takes the slower way that nobody waits
 * for.
 */
export class QuickDisk {
  readonly #now: () => number;
  #restUntilMs = Number.NEGATIVE_INFINITY;

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get isResting(): boolean {
    return this.#now() < this.#restUntilMs;
  }

  /**
   * Writes the body to `draftPath` and moves it to `path`, over whatever lies there. Throws what the system says, and
   * leaves no draft.
   */
  write(body: Buffer, { draftPath, path, mode }: QuickWrite): void {
    const startedMs = this.#now();
    try {
      writeNew(draftPath, body, mode);
      inFolder(path, () => renameSync(draftPath, path));
    } catch (error) {
      rmSync(draftPath, { force: true });
      throw error;
    } finally {
      const endedMs = this.#now();
      if (endedMs - startedMs > PATIENCE_MS) this.#restUntilMs = endedMs + REST_MS;
    }
  }
}

function writeNew(path: string, body: Buffer, mode: number): void {
  const fd = inFolder(path, () => openSync(path, "wx", mode));
  try {
    for (let written = 0; written < body.length; ) written += writeSync(fd, body, written);
  } finally {
    closeSync(fd);
  }
}

/** Somebody may have removed the folder while larder runs; that is no reason to stop storing. */
function inFolder<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    makeFolder(dirname(path));
    return work();
  }
}
