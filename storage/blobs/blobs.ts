import { LRUCache } from "lru-cache";
import type { Clock } from "../../core/clock.ts";
import type { Digest } from "../../core/digest.ts";
import { type ByteRange, SMALL_BODY_BYTES } from "../../core/entry.ts";
import { LarderError, systemCode } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Quota } from "../eviction/quota.ts";
import type { FaultLog } from "../faults.ts";
import type { SealedBody } from "../staging/staging.ts";
import type { BlobReader } from "../store.ts";
import { Turns } from "../turns.ts";
import type { BlobFiles } from "./blob-files.ts";
import type { BlobFacts, BlobTable } from "./blob-table.ts";
import { RecentUses } from "./recent-uses.ts";

export interface BlobsDependencies {
  readonly table: BlobTable;
  readonly files: BlobFiles;
  readonly quota: Quota;
  readonly clock: Clock;
  readonly log: Log;
  readonly faults: FaultLog;
  /** How much of small bodies stays in memory. */
  readonly hotBytes: number;
  /** Deletes the rows of the blobs and what names them, in one transaction. @returns those that were there */
  deleteRows(digests: readonly Digest[]): readonly BlobFacts[];
  /** Writes the rows of a blob that everybody may have, in one transaction. */
  addRows(blob: Omit<BlobFacts, "isSynced">, lastUsedMs: number): void;
  /** Called with a blob that is to be made durable. */
  onUnsynced(digest: Digest): void;
}

/**
 * The blobs, rows and files together. What happens to one digest happens in turn: publishing, condemning and removing
 * the file can never cross. Rows change at once; a file whose row is gone follows.
 */
export class Blobs {
  readonly uses: RecentUses;
  readonly #dependencies: BlobsDependencies;
  readonly #turns = new Turns<Digest>();
  readonly #hot: LRUCache<Digest, Buffer>;
  readonly #loading = new Map<Digest, Promise<Buffer>>();
  /** Stored before the last start and never known to be durable, or unreadable since: hashed before their next use. */
  readonly #suspects: Set<Digest>;

  constructor(dependencies: BlobsDependencies) {
    this.#dependencies = dependencies;
    this.uses = new RecentUses(dependencies.clock);
    this.#hot = new LRUCache({
      maxSize: dependencies.hotBytes,
      sizeCalculation: (body, digest) => body.length + digest.length,
    });
    this.#suspects = new Set(dependencies.table.unsynced());
  }

  /**
   * Puts the sealed body where its digest names it, then has `writeRows` write the rows, all or none of them; when that
   * fails the file goes again.
   * @param isPublic whether everybody may have it
   * @param writeRows returns whether the blob is new to the index
   */
  publish(body: SealedBody, isPublic: boolean, writeRows: () => Promise<boolean>): Promise<void> {
    return this.#turns.take(body.digest, async () => {
      const known = this.#dependencies.table.get(body.digest);
      await this.#place(body, isPublic, known);
      const isNew = await this.#rowsOrNothing(body.digest, writeRows);
      body.reservation.release();
      if (isNew) this.#dependencies.quota.addBlobs(1, body.bytes);
      this.#suspects.delete(body.digest);
      if (isNew || known?.isSynced !== true) this.#dependencies.onUnsynced(body.digest);
      if (body.inMemory !== undefined) this.#hot.set(body.digest, body.inMemory);
    });
  }

  /** As {@link Store.readWhole}. Whatever comes from the disk has been hashed. */
  readWhole(digest: Digest): Buffer | Promise<Buffer> {
    const hot = this.#hot.get(digest);
    if (hot === undefined) return this.#loadOnce(digest);
    this.uses.note(digest);
    return hot;
  }

  /** As {@link Store.openBlob}. */
  async open(digest: Digest, range: ByteRange | undefined): Promise<BlobReader> {
    const { files } = this.#dependencies;
    const { bytes } = this.#known(digest);
    if (this.#suspects.has(digest)) {
      await this.#condemning(digest, bytes, () => files.verify(digest, bytes));
      this.#trust(digest);
    }
    const reader = await this.#condemning(digest, bytes, () => files.open(digest, bytes, range));
    this.uses.note(digest);
    return reader;
  }

  /**
   * Deletes the blobs and every entry that names them; open readers finish. Resolves when the files are gone too. On a
   * disk so full that not even the index can be written, the files go first: that makes room for the end of the rows.
   */
  async drop(digests: readonly Digest[]): Promise<void> {
    const { deleteRows, files } = this.#dependencies;
    try {
      return await this.removed(deleteRows(digests));
    } catch (error) {
      if (systemCode(error) !== "SQLITE_FULL") throw error;
      for (const digest of digests) await this.#turns.take(digest, () => files.remove(digest));
      return await this.removed(deleteRows(digests));
    }
  }

  /**
   * Accounts for blobs whose rows are gone, and removes their files unless they have been published again meanwhile.
   * Called right after the rows went: whoever asks for one of them from then on waits until its file is gone, too.
   */
  async removed(gone: readonly BlobFacts[]): Promise<void> {
    for (const blob of gone) this.#forget(blob);
    await Promise.all(gone.map(({ digest }) => this.removeIfUnknown(digest)));
  }

  /** {@link removed} behind the caller. */
  letGo(gone: BlobFacts | undefined): void {
    if (gone !== undefined)
      this.removed([gone]).catch((error: unknown) => this.#dependencies.faults.report("blob", error));
  }

  /** Whether the index knows the blob, once what is happening to it has happened. */
  isKnown(digest: Digest): Promise<boolean> {
    const { table } = this.#dependencies;
    return this.#turns.take(digest, () => Promise.resolve(table.get(digest) !== undefined));
  }

  /**
   * Removes the file unless the index knows it, in turn with whatever else happens to that digest.
   * @returns whether it did
   */
  removeIfUnknown(digest: Digest): Promise<boolean> {
    const { table, files } = this.#dependencies;
    return this.#turns.take(digest, async () => {
      if (table.get(digest) !== undefined) return false;
      await files.remove(digest);
      return true;
    });
  }

  /** Forgets a blob, with the entries that name it, when its file is not there or has another length. */
  forgetIfGone(digest: Digest): Promise<void> {
    const { table, files, deleteRows } = this.#dependencies;
    return this.#turns.take(digest, async () => {
      const known = table.get(digest);
      if (known === undefined || (await files.facts(digest))?.bytes === known.bytes) return;
      for (const blob of deleteRows([digest])) this.#forget(blob);
      await files.remove(digest);
    });
  }

  /**
   * Takes a file that the index does not know into it, as a suspect, when everybody may have it. Whose any other is
   * nobody can tell any more: it goes.
   */
  adoptIfUnknown(digest: Digest): Promise<void> {
    const { table, files, quota, clock, addRows } = this.#dependencies;
    return this.#turns.take(digest, async () => {
      const file = table.get(digest) === undefined ? await files.facts(digest) : undefined;
      if (file === undefined) return;
      if (!file.isPublic) return files.remove(digest);
      addRows({ digest, bytes: file.bytes }, Math.min(file.writtenMs, clock()));
      this.#suspects.add(digest);
      quota.addBlobs(1, file.bytes);
    });
  }

  /**
   * Hashes a blob that somebody holds to be missing or corrupt. When it is, it goes with its entries, or, if it may not
   * be removed, is a suspect from now on, here and after the next start: it is hashed again before anybody gets it.
   * @throws LarderError `STORE_UNREADABLE` when the system cannot tell
   */
  judge(digest: Digest, mayRemove: boolean): Promise<"sound" | "condemned" | "repaired"> {
    const { table } = this.#dependencies;
    return this.#turns.take(digest, async () => {
      const known = table.get(digest);
      const damage = known === undefined ? undefined : await this.#damageOf(known);
      if (damage === undefined) return "sound";
      if (mayRemove) await this.#lose(damage, digest);
      else this.#suspect(digest);
      return mayRemove ? "repaired" : "condemned";
    });
  }

  /** Resolves when all begun with blobs has ended. */
  idle(): Promise<void> {
    return this.#turns.idle();
  }

  /**
   * A good copy that is there stays, and the new one goes. When the index already knows the blob but its file is not to
   * be trusted, the new bytes must be durable first: the row may say `synced` already.
   */
  async #place(body: SealedBody, isPublic: boolean, known: BlobFacts | undefined): Promise<void> {
    const { files } = this.#dependencies;
    if (known === undefined) return files.publish(body, { durability: "later", isPublic });
    const file = this.#suspects.has(body.digest) ? undefined : await files.facts(body.digest);
    if (file?.bytes !== body.bytes) return files.publish(body, { durability: "first", isPublic });
    if (isPublic && !file.isPublic) await files.makePublic(body.digest);
    await body.file.unlink();
  }

  async #rowsOrNothing(digest: Digest, writeRows: () => Promise<boolean>): Promise<boolean> {
    try {
      return await writeRows();
    } catch (error) {
      if (this.#dependencies.table.get(digest) === undefined) await this.#dependencies.files.remove(digest);
      throw error;
    }
  }

  /** Many may ask for one cold body at once; it is read once. */
  #loadOnce(digest: Digest): Promise<Buffer> {
    const begun = this.#loading.get(digest);
    if (begun !== undefined) return begun;
    const loading = this.#load(digest).finally(() => this.#loading.delete(digest));
    this.#loading.set(digest, loading);
    return loading;
  }

  async #load(digest: Digest): Promise<Buffer> {
    const { bytes } = this.#known(digest);
    const body = await this.#condemning(digest, bytes, () => this.#dependencies.files.readVerified(digest, bytes));
    this.#trust(digest);
    this.uses.note(digest);
    if (bytes <= SMALL_BODY_BYTES) this.#hot.set(digest, body);
    return body;
  }

  #known(digest: Digest): BlobFacts {
    const known = this.#dependencies.table.get(digest);
    if (known !== undefined) return known;
    throw new LarderError("BLOB_MISSING", `the store holds no blob ${digest}`, { details: { digest } });
  }

  /** The bytes were hashed and are right. */
  #trust(digest: Digest): void {
    if (this.#suspects.delete(digest)) this.#dependencies.onUnsynced(digest);
  }

  /**
   * Runs `read`; when it finds the blob missing or corrupt, and a second look agrees, the blob goes with its entries. What the system
   * cannot read is a suspect: whoever fetches it anew puts it in its place.
   */
  async #condemning<T>(digest: Digest, bytes: number, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (isCondemning(error))
        await this.#turns
          .take(digest, () => this.#condemn(digest, bytes))
          .catch((fault: unknown) => this.#dependencies.faults.report("index", fault));
      else this.#suspects.add(digest);
      throw error;
    }
  }

  async #condemn(digest: Digest, bytes: number): Promise<void> {
    const damage = await this.#damageOf({ digest, bytes }).catch(() => undefined);
    if (damage !== undefined) await this.#lose(damage, digest);
  }

  /** What is wrong with the file; `undefined` when nothing is. @throws when the system cannot tell */
  async #damageOf({ digest, bytes }: Pick<BlobFacts, "digest" | "bytes">): Promise<LarderError | undefined> {
    try {
      await this.#dependencies.files.verify(digest, bytes);
      return undefined;
    } catch (error) {
      if (isCondemning(error)) return error;
      throw error;
    }
  }

  async #lose({ code, message }: LarderError, digest: Digest): Promise<void> {
    const { files, log, deleteRows } = this.#dependencies;
    for (const blob of deleteRows([digest])) this.#forget(blob);
    await files.remove(digest);
    log.error({ code, digest, reason: message }, "a blob was lost; its entries are removed");
  }

  #suspect(digest: Digest): void {
    this.#dependencies.table.markSuspect(digest);
    this.#hot.delete(digest);
    this.#suspects.add(digest);
  }

  #forget({ digest, bytes }: BlobFacts): void {
    this.#dependencies.quota.removeBlob(bytes);
    this.#hot.delete(digest);
    this.#suspects.delete(digest);
  }
}

function isCondemning(error: unknown): error is LarderError {
  return error instanceof LarderError && (error.code === "BLOB_MISSING" || error.code === "BLOB_CORRUPT");
}
