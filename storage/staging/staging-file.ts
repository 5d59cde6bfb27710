import { chmod, type FileHandle, open, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { systemCode } from "../../core/errors.ts";
import { makeFolder } from "../../core/folder.ts";
import { sidecarOf } from "./unfinished.ts";

/** The file behind a growing body: made at the first write, readable through its descriptor until it is closed. */
export class StagingFile {
  readonly path: string;
  #handle: FileHandle | undefined;
  #bytes = 0;
  #isUnlinked = false;
  #isDescribed = false;

  constructor(path: string) {
    this.path = path;
  }

  /** Opens the beginning of a body that was described once, to append to it. */
  static async reopen(path: string): Promise<StagingFile> {
    const file = new StagingFile(path);
    await chmod(path, 0o644);
    file.#handle = await open(path, "r+");
    await file.#handle.chmod(0o444);
    file.#bytes = (await file.#handle.stat()).size;
    file.#isDescribed = true;
    return file;
  }

  /** Whether it stands beside the file what the body is to become. */
  get isDescribed(): boolean {
    return this.#isDescribed;
  }

  /** Writes that down. */
  async describe(sidecar: object): Promise<void> {
    // First, so that what is written by halves goes with the rest.
    this.#isDescribed = true;
    await writeFile(sidecarOf(this.path), JSON.stringify(sidecar), { mode: 0o600 });
  }

  /** What the body was to become it is now. */
  async forgetDescription(): Promise<void> {
    if (!this.#isDescribed) return;
    this.#isDescribed = false;
    await rm(sidecarOf(this.path), { force: true });
  }

  /** How much of the body is in the file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Makes the file, if there is none yet. Committed files keep its mode: nobody writes to them through a path. */
  async create(): Promise<FileHandle> {
    this.#handle ??= await openNew(this.path);
    return this.#handle;
  }

  /** Appends the chunks, or as many of their bytes as the system takes at once: look at `bytes`. */
  async append(chunks: readonly Buffer[]): Promise<void> {
    const handle = await this.create();
    const { bytesWritten } = await handle.writev(chunks, this.#bytes);
    if (bytesWritten === 0) throw new Error("the system took no byte");
    this.#bytes += bytesWritten;
  }

  /** Makes the file, if there is none yet, and sees that all of the body is in it. */
  async complete(body: Buffer): Promise<void> {
    await this.create();
    while (this.#bytes < body.length) await this.append([body.subarray(this.#bytes)]);
  }

  /** At least one and at most `maxBytes` bytes from `position`. Rejects when the file does not reach so far. */
  async read(position: number, maxBytes: number): Promise<Buffer> {
    const length = Math.min(maxBytes, this.#bytes - position);
    if (this.#handle === undefined || length <= 0) throw new Error(`byte ${position} was not written`);
    const { buffer, bytesRead } = await this.#handle.read(Buffer.allocUnsafeSlow(length), 0, length, position);
    if (bytesRead === 0) throw new Error(`the file ends before byte ${position}`);
    return buffer.subarray(0, bytesRead);
  }

  /** Makes what was written durable. */
  async sync(): Promise<void> {
    await this.#handle?.datasync();
  }

  /** Removes the name; the bytes stay readable until {@link close}. Idempotent. */
  async unlink(): Promise<void> {
    if (this.#isUnlinked) return;
    this.#isUnlinked = true;
    if (this.#handle !== undefined) await rm(this.path, { force: true });
    await this.forgetDescription();
  }

  /** Waits for what is being read or written, and gives the descriptor back. */
  async close(): Promise<void> {
    await this.#handle?.close();
  }
}

/** Somebody may have removed the folder while larder runs; that is no reason to stop storing. */
async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx+", 0o444);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    makeFolder(dirname(path));
    return open(path, "wx+", 0o444);
  }
}
