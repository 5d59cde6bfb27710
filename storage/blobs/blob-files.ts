import { constants } from "node:fs";
import { chmod, type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { type Digest, digestOf, Hasher } from "../../core/digest.ts";
import type { ByteRange } from "../../core/entry.ts";
import { LarderError, systemCode } from "../../core/errors.ts";
import { makeFolder } from "../../core/folder.ts";
import { type Layout, shardOf } from "../layout.ts";
import type { SealedBody } from "../staging/staging.ts";
import { FileReader } from "./file-reader.ts";
import { QuickDisk } from "./quick-disk.ts";

/** Hashing a blob again reads in larger steps: a step is 0.6 ms of hashing. */
const VERIFY_BYTES = 1024 * 1024;

/** Blobs keep their mode: nobody writes to them through a path. It says whose they are when the index is lost. */
const PUBLIC_MODE = 0o444;
const PRIVATE_MODE = 0o400;
/** Something else may have been put in a blob's place: no link is followed, and a pipe waits for no writer. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** What only a public blob has. Under a strict umask none has it; such blobs are fetched anew when the index is lost. */
const READABLE_BY_ALL = 0o004;

/** What the file of a blob tells by itself. */
export interface BlobFileFacts {
  readonly bytes: number;
  readonly isPublic: boolean;
  readonly writtenMs: number;
}

/** The blobs as files: never changed, replaced or removed only as a whole. */
export class BlobFiles {
  readonly #layout: Layout;
  readonly #quickDisk = new QuickDisk();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /**
   * Puts a sealed body where its digest names it, over whatever lies there. Atomic.
   * @param how durability: `first` has the bytes survive a power cut before anything names them
   */
  async publish(
    { file, digest, inMemory }: SealedBody,
    { durability, isPublic }: { readonly durability: "first" | "later"; readonly isPublic: boolean },
  ): Promise<void> {
    const path = this.#layout.blobFile(digest);
    const mode = isPublic ? PUBLIC_MODE : PRIVATE_MODE;
    if (inMemory !== undefined && file.bytes === 0 && durability === "later" && !this.#quickDisk.isResting)
      return this.#quickDisk.write(inMemory, { draftPath: file.path, path, mode });
    if (inMemory !== undefined) await file.complete(inMemory);
    if (!isPublic) await chmod(file.path, mode);
    if (durability === "first") await file.sync();
    await this.#rename(file.path, digest);
  }

  async #rename(stagingFile: string, digest: Digest): Promise<void> {
    const blobFile = this.#layout.blobFile(digest);
    try {
      await rename(stagingFile, blobFile);
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
      makeFolder(this.#layout.shardDir(shardOf(digest)));
      await rename(stagingFile, blobFile);
    }
  }

  /** Everybody may have the blob from now on. */
  async makePublic(digest: Digest): Promise<void> {
    await chmod(this.#layout.blobFile(digest), PUBLIC_MODE);
  }

  /** @returns `undefined` when there is no such file */
  async facts(digest: Digest): Promise<BlobFileFacts | undefined> {
    try {
      const facts = await lstat(this.#layout.blobFile(digest));
      if (!facts.isFile()) return undefined;
      const { size, mode, mtimeMs } = facts;
      return { bytes: size, isPublic: (mode & READABLE_BY_ALL) !== 0, writtenMs: Math.trunc(mtimeMs) };
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  async remove(digest: Digest): Promise<void> {
    const path = this.#layout.blobFile(digest);
    try {
      await rm(path, { force: true });
    } catch (error) {
      if (systemCode(error) !== "ERR_FS_EISDIR") throw error;
      await rm(path, { force: true, recursive: true });
    }
  }

  /**
   * Opens the blob, or a part of it, for reading.
   * @throws LarderError `BLOB_MISSING` when there is no such file, `BLOB_CORRUPT` when its length differs, `STORE_UNREADABLE`
   * when the system cannot say.
   */
  async open(digest: Digest, bytes: number, range: ByteRange = { first: 0, last: bytes - 1 }): Promise<FileReader> {
    const handle = await this.#open(digest, bytes);
    return new FileReader(handle, range, (cause) =>
      cause === undefined ? corrupt(digest, "it ends too early") : readFault(digest, cause),
    );
  }

  /** The whole blob, its bytes hashed again: 64 KiB cost 40 µs. @throws LarderError as {@link open}. */
  readVerified(digest: Digest, bytes: number): Promise<Buffer> {
    return this.#using(digest, bytes, async (handle) => {
      const body = await handle.readFile();
      if (digestOf(body) !== digest) throw corrupt(digest, "its bytes have another digest");
      return body;
    });
  }

  /**
   * Reads the whole blob and hashes it. @throws LarderError as {@link open}.
   * @param pace awaited after each step, of so many bytes, for who is in no hurry
   */
  verify(digest: Digest, bytes: number, pace?: (bytesRead: number) => Promise<void>): Promise<void> {
    return this.#using(digest, bytes, async (handle) => {
      const hasher = new Hasher();
      const buffer = Buffer.allocUnsafe(VERIFY_BYTES);
      let bytesRead: number;
      do {
        ({ bytesRead } = await handle.read(buffer, 0, VERIFY_BYTES, null));
        hasher.update(buffer.subarray(0, bytesRead));
        await pace?.(bytesRead);
      } while (bytesRead > 0);
      if (hasher.digest() !== digest) throw corrupt(digest, "its bytes have another digest");
    });
  }

  async #using<T>(digest: Digest, bytes: number, read: (handle: FileHandle) => Promise<T>): Promise<T> {
    const handle = await this.#open(digest, bytes);
    try {
      return await read(handle);
    } catch (error) {
      throw readFault(digest, error);
    } finally {
      await handle.close();
    }
  }

  async #open(digest: Digest, bytes: number): Promise<FileHandle> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(this.#layout.blobFile(digest), READ_FLAGS);
      const facts = await handle.stat();
      const { size } = facts;
      if (!facts.isFile()) throw corrupt(digest, "it is no file");
      if (size !== bytes) throw corrupt(digest, `it has ${size} bytes instead of ${bytes}`);
      return handle;
    } catch (error) {
      await handle?.close();
      throw readFault(digest, error);
    }
  }
}

function corrupt(digest: Digest, how: string): LarderError {
  return new LarderError("BLOB_CORRUPT", `the blob ${digest} is damaged: ${how}`, { details: { digest } });
}

/** Only a file that is not there counts as missing; what the system cannot tell (descriptors, disk errors) condemns nothing. */
function readFault(digest: Digest, cause: unknown): LarderError {
  if (cause instanceof LarderError) return cause;
  const reason = systemCode(cause);
  if (reason === "ELOOP" || reason === "ENXIO") return corrupt(digest, "it is no file");
  if (reason === "ENOENT")
    return new LarderError("BLOB_MISSING", `the blob ${digest} is gone from the store`, { details: { digest }, cause });
  const message = `the blob ${digest} cannot be read (${reason ?? String(cause)}); see the kernel's log and ulimit -n`;
  return new LarderError("STORE_UNREADABLE", message, { details: { digest, reason }, cause });
}
