import { Hasher } from "../../core/digest.ts";
import { type Entry, SMALL_BODY_BYTES } from "../../core/entry.ts";
import { LarderError, toLarderError } from "../../core/errors.ts";
import type { Quota, Reservation } from "../eviction/quota.ts";
import { type FaultLog, unwritable } from "../faults.ts";
import type { EntryDraft, Sealed, Staging } from "../store.ts";
import { ByteWindow } from "./byte-window.ts";
import { StagingFile } from "./staging-file.ts";
import type { Sidecar, UnfinishedBody } from "./unfinished.ts";

/** What is written at once: 1 MiB by `writev` reached 0.7–1.7 GiB/s with hashing, a write stream 0.65. */
const BATCH_BYTES = 1024 * 1024;
/** How much may wait for the disk before `append` asks for patience. */
const MAX_UNWRITTEN_BYTES = 2 * BATCH_BYTES;
/** Readers that keep up this closely are answered from memory. */
const WINDOW_BYTES = 1024 * 1024;
/** Readers that have fallen behind read the file in pieces of at most this length. */
const MAX_READ_BYTES = 256 * 1024;
const NOTHING_TO_WAIT_FOR = Promise.resolve();

/** A sealed body, ready to become a blob. */
export interface SealedBody extends Sealed {
  readonly file: StagingFile;
  /** The whole body where it is still in memory. */
  readonly inMemory: Buffer | undefined;
  readonly reservation: Reservation;
}

export interface StagingDependencies {
  readonly path: string;
  readonly announcedBytes: number;
  readonly quota: Quota;
  readonly faults: FaultLog;
  /** Makes the body a blob and the draft an entry, or rejects and leaves nothing behind. */
  publish(body: SealedBody, draft: EntryDraft): Promise<Entry>;
  /** Tells what to write beside the file of a body that can be gone on with; nothing of the others survives. */
  readonly describe: (() => Sidecar) | undefined;
  /** Called when the file of a suspended body is closed. */
  onSuspended(body: UnfinishedBody): void;
  onClose(): void;
}

/** A body under way, written behind in batches and hashed as it comes; small ones meet the disk only when committed. */
export class DiskStaging implements Staging {
  readonly #dependencies: StagingDependencies;
  readonly #file: StagingFile;
  readonly #window = new ByteWindow();
  readonly #hasher = new Hasher();
  #reservation: Reservation | undefined;
  #fault: LarderError | undefined;
  #writing: Promise<void> | undefined;
  #sealed: Sealed | undefined;
  #publishing: Promise<Entry> | undefined;
  #state: "open" | "aborted" | "committed" | "suspended" = "open";
  #closing: Promise<void> | undefined;

  constructor(dependencies: StagingDependencies, file = new StagingFile(dependencies.path)) {
    this.#dependencies = dependencies;
    this.#file = file;
    this.#reserve(() => {
      this.#reservation = dependencies.quota.reserve(dependencies.announcedBytes);
    });
  }

  /** Goes on with the beginning of a body that was suspended, or left by a crash; what it holds is hashed anew. */
  static async takeUp(dependencies: StagingDependencies): Promise<DiskStaging> {
    const staging = new DiskStaging(dependencies, await StagingFile.reopen(dependencies.path));
    while (staging.appendedBytes < staging.#file.bytes) {
      const chunk = await staging.#file.read(staging.appendedBytes, BATCH_BYTES);
      staging.#take(chunk);
      staging.#window.dropBefore(staging.#window.end - WINDOW_BYTES);
    }
    return staging;
  }

  get appendedBytes(): number {
    return this.#window.end;
  }

  get fault(): LarderError | undefined {
    return this.#fault;
  }

  append(chunk: Buffer): Promise<void> {
    this.#take(chunk);
    if (this.#fault !== undefined || this.#state !== "open") return NOTHING_TO_WAIT_FOR;
    if (this.#unwrittenBytes >= BATCH_BYTES) this.#writing ??= this.#write(BATCH_BYTES);
    return this.#unwrittenBytes > MAX_UNWRITTEN_BYTES ? (this.#writing ?? NOTHING_TO_WAIT_FOR) : NOTHING_TO_WAIT_FOR;
  }

  async read(position: number, maxBytes: number): Promise<Buffer> {
    const recent = this.#window.bytesAt(position, maxBytes);
    if (recent !== undefined) return recent;
    try {
      return await this.#file.read(position, Math.min(maxBytes, MAX_READ_BYTES));
    } catch (cause) {
      throw new LarderError("STORE_UNREADABLE", "bytes of a body under way are gone, after a fault of the store", {
        cause,
      });
    }
  }

  forget(position: number): void {
    if (this.#fault !== undefined) this.#window.dropBefore(position);
  }

  async seal(): Promise<Sealed> {
    await this.#writing;
    if (this.#fault === undefined && this.#state === "open" && !this.#isAllInMemory) this.#writing = this.#write(1);
    await this.#writing;
    this.#sealed = { digest: this.#hasher.digest(), bytes: this.appendedBytes };
    return this.#sealed;
  }

  async commit(draft: EntryDraft): Promise<Entry> {
    const body = this.#sealedBody();
    this.#state = "committed";
    try {
      this.#publishing = this.#dependencies.publish(body, draft);
      const entry = await this.#publishing;
      await this.#tidy(() => this.#file.forgetDescription());
      return entry;
    } catch (error) {
      this.#state = "open";
      await this.abort();
      throw unwritable("the store", error);
    }
  }

  async suspend(): Promise<void> {
    await this.#writing;
    if (this.#state !== "open" || !this.#file.isDescribed) return await this.abort();
    if (this.#fault === undefined) await this.#write(1);
    if (this.#fault !== undefined) return await this.abort();
    this.#state = "suspended";
  }

  async abort(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "aborted";
    await this.#writing;
    await this.#tidy(() => this.#file.unlink());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#publishing?.catch(() => undefined);
    await this.abort();
    await this.#tidy(() => this.#file.close());
    this.#window.dropBefore(this.#window.end);
    this.#reservation?.release();
    const { path, describe, onSuspended, onClose } = this.#dependencies;
    if (this.#state === "suspended" && describe !== undefined)
      onSuspended({ ...describe(), path, bytes: this.#file.bytes });
    onClose();
  }

  #take(chunk: Buffer): void {
    this.#hasher.update(chunk);
    this.#window.append(chunk);
    this.#reserve((reservation) => reservation?.grow(chunk.length));
  }

  async #tidy(work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => this.#dependencies.faults.report("staging", error));
  }

  /** A small body needs no file before it is published: most of those that are dropped never meet the disk. */
  get #isAllInMemory(): boolean {
    return this.#file.bytes === 0 && this.appendedBytes <= SMALL_BODY_BYTES;
  }

  get #unwrittenBytes(): number {
    return this.#window.end - this.#file.bytes;
  }

  /**
   * Writes batch after batch until less than `minBytes` wait. Never rejects: what the disk refuses becomes the fault.
   */
  async #write(minBytes: number): Promise<void> {
    try {
      await this.#file.create();
      const { describe } = this.#dependencies;
      // A body that is all there when its file is made has nothing to fear.
      if (describe !== undefined && minBytes === BATCH_BYTES && !this.#file.isDescribed)
        await this.#file.describe(describe());
      while (this.#fault === undefined && this.#unwrittenBytes >= minBytes) {
        await this.#file.append(this.#window.chunksFrom(this.#file.bytes, BATCH_BYTES));
        this.#window.dropBefore(Math.min(this.#file.bytes, this.#window.end - WINDOW_BYTES));
      }
    } catch (error) {
      this.#fault ??= unwritable("the store", error);
      this.#dependencies.faults.report("staging", this.#fault);
    }
    this.#writing = undefined;
  }

  /** A body that can never fit is refused alone: no fault of the disk, so nothing for the log of faults. */
  #reserve(take: (reservation: Reservation | undefined) => void): void {
    if (this.#fault !== undefined) return;
    try {
      take(this.#reservation);
    } catch (error) {
      this.#fault = toLarderError(error);
    }
  }

  #sealedBody(): SealedBody {
    if (this.#fault !== undefined) throw this.#fault;
    if (this.#sealed === undefined || this.#reservation === undefined || this.#state !== "open")
      throw new LarderError("INTERNAL", "only a sealed body can be committed, and only once");
    const isSmall = this.#sealed.bytes <= SMALL_BODY_BYTES && this.#window.start === 0;
    return {
      ...this.#sealed,
      file: this.#file,
      inMemory: isSmall ? Buffer.concat(this.#window.chunksFrom(0, SMALL_BODY_BYTES)) : undefined,
      reservation: this.#reservation,
    };
  }
}
