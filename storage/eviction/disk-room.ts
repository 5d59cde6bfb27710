import { statfs } from "node:fs/promises";
import type { Quota } from "./quota.ts";

/** Others fill the disk, too: how often is looked what they have left. */
const LOOK_EVERY_MS = 5_000;

/** Watches what is free on the file system of the store, so that larder is never what fills it. */
export class DiskRoom {
  readonly #dir: string;
  readonly #minFreeBytes: number;
  readonly #quota: Quota;
  readonly #onFault: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param minFreeBytes what is to stay free for others; 0: nobody looks */
  constructor(dir: string, minFreeBytes: number, quota: Quota, onFault: (error: unknown) => void) {
    this.#dir = dir;
    this.#minFreeBytes = minFreeBytes;
    this.#quota = quota;
    this.#onFault = onFault;
  }

  /** Looks now and from time to time, until {@link close}. */
  watch(): void {
    if (this.#minFreeBytes === 0) return;
    void this.look();
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
  }

  /** Tells the quota how much the store may hold for the disk's sake. Never rejects. */
  async look(): Promise<void> {
    if (this.#minFreeBytes === 0) return;
    try {
      const { bavail, bsize } = await statfs(this.#dir);
      this.#quota.noteSpare(bavail * bsize - this.#minFreeBytes);
    } catch (error) {
      this.#onFault(error);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
