import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import { type ByteRange, type Entry, type EntryKey, PUBLIC_REALM } from "../core/entry.ts";
import type { Log } from "../core/log.ts";
import { BlobFiles } from "./blobs/blob-files.ts";
import { type BlobFacts, BlobTable } from "./blobs/blob-table.ts";
import { Blobs } from "./blobs/blobs.ts";
import { Syncer } from "./blobs/sync.ts";
import { Checkpoints } from "./checkpoints/checkpoints.ts";
import { Chores } from "./chores.ts";
import { type Database, transact } from "./database.ts";
import { EntryTable } from "./entries.ts";
import { Candidates } from "./eviction/candidates.ts";
import { Companions } from "./eviction/companions.ts";
import { DiskRoom } from "./eviction/disk-room.ts";
import { Evictor } from "./eviction/evict.ts";
import { Quota } from "./eviction/quota.ts";
import { useClock } from "./eviction/use-clock.ts";
import { FaultLog } from "./faults.ts";
import { DailyCopy, indexCopiedMs } from "./index-copy/daily-copy.ts";
import type { Layout } from "./layout.ts";
import { listEntries } from "./listing.ts";
import type { WriterLock } from "./lock.ts";
import { partsOf, type StoreParts } from "./maintenance/parts.ts";
import { Sweep, type UnnamedBlobs } from "./maintenance/sweep.ts";
import { RowGroups } from "./row-groups.ts";
import type { SealedBody } from "./staging/staging.ts";
import { Stagings } from "./staging/stagings.ts";
import type { UnfinishedBody } from "./staging/unfinished.ts";
import type {
  BlobReader,
  EntryDraft,
  EntryFreshening,
  StageOptions,
  Staging,
  Store,
  StoreListing,
  StoreUsage,
  TakenUp,
} from "./store.ts";

export interface LocalStoreDependencies {
  readonly db: Database;
  readonly layout: Layout;
  readonly lock: WriterLock;
  /** What becomes of blobs on disk that the index does not know; `undefined` when there can be none. */
  readonly unnamedBlobs: UnnamedBlobs | undefined;
  readonly maxBytes: number;
  readonly minFreeBytes: number;
  /** What an earlier writer left that can be gone on with. */
  readonly unfinished: readonly UnfinishedBody[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Memory for rows asked for lately (some 10,000 entries) and for small bodies; both far below what a proxy may use. */
const HOT_ROW_BYTES = 24 * 1024 * 1024;
const HOT_BODY_BYTES = 32 * 1024 * 1024;
const NO_ENTRIES: readonly Entry[] = Object.freeze([]);

/** The store on a local disk, as its one writer sees it. `openStore` makes it. */
export class LocalStore implements Store {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #useClock: Clock;
  readonly #faults: FaultLog;
  readonly #entries: EntryTable;
  readonly #table: BlobTable;
  readonly #companions: Companions;
  readonly #quota: Quota;
  readonly #evictor: Evictor;
  readonly #diskRoom: DiskRoom;
  readonly #blobs: Blobs;
  readonly #checkpoints: Checkpoints;
  readonly #rowGroups: RowGroups;
  readonly #chores: Chores;
  readonly #stagings: Stagings;
  readonly #lock: WriterLock;
  readonly #sweep: Sweep;
  readonly #dailyCopy: DailyCopy;
  readonly #layout: Layout;
  /** What maintenance works on. */
  readonly parts: StoreParts;
  #closing: Promise<void> | undefined;

  readonly #inTransaction = <T>(work: () => T): T => {
    const result = transact(this.#db, work);
    this.#faults.recovered("index");
    return result;
  };

  constructor(dependencies: LocalStoreDependencies) {
    const { db, layout, lock, unnamedBlobs, maxBytes, minFreeBytes, unfinished, clock, log } = dependencies;
    this.#db = db;
    this.#lock = lock;
    this.#layout = layout;
    this.#clock = clock;
    const faults = new FaultLog(log);
    this.#faults = faults;
    this.#entries = new EntryTable(db, HOT_ROW_BYTES);
    this.#table = new BlobTable(db);
    this.#companions = new Companions(db);
    this.#checkpoints = new Checkpoints({ db, path: layout.indexFile, faults });
    this.#rowGroups = new RowGroups(db, () => this.#checkpoints.hold());
    const syncer = new Syncer(db, this.#table, layout);
    this.#quota = new Quota(maxBytes, () => this.#evictor.poke());
    this.#evictor = this.#makeEvictor(log);
    const onFault = (error: unknown): void => faults.report("blob", error);
    this.#diskRoom = new DiskRoom(layout.rootDir, minFreeBytes, this.#quota, onFault);
    const { blobs, bytes, lastUsedMs } = this.#table.totals();
    this.#useClock = useClock(clock, lastUsedMs);
    this.#blobs = new Blobs({
      table: this.#table,
      files: new BlobFiles(layout),
      quota: this.#quota,
      clock: this.#useClock,
      log,
      faults,
      hotBytes: HOT_BODY_BYTES,
      deleteRows: (digests) => this.#inTransaction(() => this.#dropRows(digests)),
      addRows: (blob, lastUsedMs) => this.#inTransaction(() => this.#table.add(blob, lastUsedMs)),
      onUnsynced: (digest) => {
        syncer.add(digest);
        this.#chores.request();
      },
    });
    this.#stagings = new Stagings({
      layout,
      quota: this.#quota,
      faults,
      clock,
      found: unfinished,
      publish: (body, draft) => this.#publish(body, draft),
    });
    this.#chores = new Chores({
      table: this.#table,
      blobs: this.#blobs,
      syncer,
      unfinished: this.#stagings.unfinished,
      faults,
      inTransaction: this.#inTransaction,
      turn: () => this.#checkpoints.turn(),
    });
    this.parts = this.#makeParts(layout);
    this.#quota.addBlobs(blobs, bytes);
    this.#diskRoom.watch();
    this.#sweep = new Sweep({ db, layout, blobs: this.#blobs, faults }, unnamedBlobs);
    this.#dailyCopy = new DailyCopy({ layout, isWorthwhile: () => this.#entries.count() > 0, faults, clock, log });
  }

  find(key: string): readonly Entry[] {
    return this.#orReport(() => this.#entries.find(key)) ?? NO_ENTRIES;
  }

  stage(options: StageOptions): Promise<Staging> {
    return Promise.resolve(this.#stagings.stage(options));
  }

  takeUp(name: string): Promise<TakenUp | undefined> | undefined {
    return this.#stagings.takeUp(name);
  }

  freshen(entry: Entry, freshening: EntryFreshening): Entry {
    this.#orReport(() => this.#entries.freshen(entry, freshening));
    this.#blobs.uses.note(entry.digest);
    this.#chores.request();
    return Object.freeze({ ...entry, ...freshening, fields: Object.freeze([...freshening.fields]) });
  }

  remove(entry: EntryKey): void {
    try {
      this.#blobs.letGo(this.#inTransaction(() => this.#table.dropUnnamed(this.#entries.remove(entry))));
    } catch (error) {
      this.#entries.hide(entry);
      this.#faults.report("index", error);
    }
  }

  invalidate(key: string): void {
    for (const entry of this.find(key)) this.remove(entry);
  }

  readWhole(digest: Digest): Buffer | Promise<Buffer> {
    this.#chores.request();
    return this.#blobs.readWhole(digest);
  }

  openBlob(digest: Digest, range?: ByteRange): Promise<BlobReader> {
    this.#chores.request();
    return this.#blobs.open(digest, range);
  }

  usage(): StoreUsage {
    const { blobs, blobBytes, stagingBytes, maxBytes } = this.#quota;
    const entries = this.#entries.count();
    return { blobs, blobBytes, stagingBytes, maxBytes, entries, indexCopiedMs: indexCopiedMs(this.#layout) };
  }

  list(options: { readonly containing?: string; readonly limit: number }): readonly StoreListing[] {
    this.#chores.noteAllUses();
    return listEntries(this.#db, options);
  }

  /** Waits until what runs behind is done: sweeping after a crash, eviction, removal, making durable. */
  async settled(): Promise<void> {
    await this.#sweep.done;
    await this.#diskRoom.look();
    await this.#evictor.idle();
    await this.#chores.run();
    await this.#blobs.idle();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#sweep.end();
    this.#chores.end();
    await this.#stagings.closeAll();
    await this.settled();
    await this.#dailyCopy.close();
    this.#diskRoom.close();
    await this.#checkpoints.close();
    this.#db.close();
    this.#lock.release(this.#sweep.isTidy);
  }

  /**
   * Publishing: the file under its name first, then the rows that name it. A crash in between leaves a file that
   * nothing names, which the next start sweeps away.
   */
  async #publish(body: SealedBody, draft: EntryDraft): Promise<Entry> {
    const nowMs = this.#clock();
    const entry: Entry = Object.freeze({ ...draft, digest: body.digest, bytes: body.bytes, storedMs: nowMs });
    await this.#blobs.publish(body, entry.realm === PUBLIC_REALM, async () => {
      const { isNew, orphan } = await this.#rowGroups.add(() => ({
        isNew: this.#table.put(entry, this.#useClock()),
        orphan: this.#table.dropUnnamed(this.#entries.put(entry)),
      }));
      this.#blobs.letGo(orphan);
      return isNew;
    });
    this.#faults.recovered("index");
    this.#faults.recovered("staging");
    return entry;
  }

  #makeParts(layout: Layout): StoreParts {
    return partsOf({
      db: this.#db,
      layout,
      clock: this.#useClock,
      table: this.#table,
      entries: this.#entries,
      blobs: this.#blobs,
      quota: this.#quota,
      stagings: this.#stagings,
      chores: this.#chores,
      turn: () => this.#checkpoints.turn(),
      swept: () => this.#sweep.done,
      inTransaction: this.#inTransaction,
      dropRows: (digests) => this.#dropRows(digests),
    });
  }

  #makeEvictor(log: Log): Evictor {
    const candidates = new Candidates(this.#db);
    return new Evictor({
      quota: this.#quota,
      log,
      candidates: (limit) => {
        this.#chores.noteUses();
        return candidates.next(limit);
      },
      drop: (digests) => this.#blobs.drop(digests),
      dropUnfinished: () => this.#stagings.unfinished.dropAll(),
      turn: () => this.#checkpoints.turn(),
      look: () => this.#diskRoom.look(),
      onFault: (error) => this.#faults.report("blob", error),
    });
  }

  /** Deletes the rows of the blobs and their companions, with every entry that names them, inside a transaction. */
  #dropRows(digests: readonly Digest[]): readonly BlobFacts[] {
    const going = this.#companions.with(digests);
    for (const digest of going) this.#entries.forgetBlob(digest);
    return going.map((digest) => this.#table.drop(digest)).filter((blob) => blob !== undefined);
  }

  #orReport<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#faults.report("index", error);
      return undefined;
    }
  }
}
