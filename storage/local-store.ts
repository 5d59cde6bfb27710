import type { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import { type ByteRange, type Entry, type EntryKey, PUBLIC_REALM } from "../core/entry.ts";
import type { Log } from "../core/log.ts";
import { BlobFiles } from "./blobs/blob-files.ts";
import { type BlobFacts, BlobTable } from "./blobs/blob-table.ts";
import { Blobs } from "./blobs/blobs.ts";
import { blobsOnDisk } from "./blobs/sweep.ts";
import { Syncer } from "./blobs/sync.ts";
import { type Database, transact } from "./database.ts";
import { EntryTable } from "./entries.ts";
import { DiskRoom } from "./eviction/disk-room.ts";
import { Evictor } from "./eviction/evict.ts";
import { Quota } from "./eviction/quota.ts";
import { useClock } from "./eviction/use-clock.ts";
import { FaultLog } from "./faults.ts";
import type { Layout } from "./layout.ts";
import { listEntries } from "./listing.ts";
import type { WriterLock } from "./lock.ts";
import { endAdoption } from "./lost-index.ts";
import type { StoreParts } from "./maintenance/parts.ts";
import { RowGroups } from "./row-groups.ts";
import type { SealedBody } from "./staging/staging.ts";
import { Stagings } from "./staging/stagings.ts";
import type { UnfinishedBody } from "./staging/unfinished.ts";
import type {
  EntryDraft,
  EntryFreshening,
  StageOptions,
  Staging,
  Store,
  StoreListing,
  StoreUsage,
  TakenUp,
} from "./store.ts";
import { Upkeep } from "./upkeep.ts";

/** A crash left some that nobody ever named, or the index that named them was lost. */
export type UnnamedBlobs = "remove" | "adopt";

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
/** Rows of one transaction that only notes use: a few milliseconds. */
const USES_AT_ONCE = 500;
const NO_ENTRIES: readonly Entry[] = Object.freeze([]);

/** The store on a local disk, as its one writer sees it. `openStore` makes it. */
export class LocalStore implements Store {
  readonly #db: Database;
  readonly #layout: Layout;
  readonly #clock: Clock;
  readonly #useClock: Clock;
  readonly #faults: FaultLog;
  readonly #entries: EntryTable;
  readonly #table: BlobTable;
  readonly #quota: Quota;
  readonly #evictor: Evictor;
  readonly #diskRoom: DiskRoom;
  readonly #syncer: Syncer;
  readonly #blobs: Blobs;
  readonly #rowGroups: RowGroups;
  readonly #upkeep = new Upkeep(() => this.#keepUp());
  readonly #stagings: Stagings;
  readonly #lock: WriterLock;
  readonly #sweeping: Promise<void>;
  /** What maintenance works on. */
  readonly parts: StoreParts;
  #isTidy = true;
  #closing: Promise<void> | undefined;
  /** Blobs that an entry ceased to name; those that none names any more go with the next upkeep. */
  readonly #orphaned = new Set<Digest>();

  constructor(dependencies: LocalStoreDependencies) {
    const { db, layout, lock, unnamedBlobs, maxBytes, minFreeBytes, unfinished, clock, log } = dependencies;
    this.#db = db;
    this.#lock = lock;
    this.#layout = layout;
    this.#clock = clock;
    this.#faults = new FaultLog(log);
    this.#entries = new EntryTable(db, HOT_ROW_BYTES);
    this.#table = new BlobTable(db);
    this.#rowGroups = new RowGroups(db);
    this.#syncer = new Syncer(db, this.#table, layout);
    this.#quota = new Quota(maxBytes, () => this.#evictor.poke());
    this.#evictor = new Evictor({
      quota: this.#quota,
      log,
      candidates: (limit) => {
        this.#noteUses();
        return this.#table.leastRecentlyUsed(limit);
      },
      drop: (digests) => this.#blobs.drop(digests),
      dropUnfinished: () => this.#stagings.unfinished.dropAll(),
      look: () => this.#diskRoom.look(),
      onFault: (error) => this.#faults.report("blob", error),
    });
    this.#diskRoom = new DiskRoom(layout.rootDir, minFreeBytes, this.#quota, (error) =>
      this.#faults.report("blob", error),
    );
    const { blobs, bytes, lastUsedMs } = this.#table.totals();
    this.#useClock = useClock(clock, lastUsedMs);
    this.#blobs = new Blobs({
      table: this.#table,
      files: new BlobFiles(layout),
      quota: this.#quota,
      clock: this.#useClock,
      log,
      faults: this.#faults,
      hotBytes: HOT_BODY_BYTES,
      deleteRows: (digests) => this.#deleteRows(digests),
      addRows: (blob, lastUsedMs) => this.#inTransaction(() => this.#table.add(blob, lastUsedMs)),
      onUnsynced: (digest) => {
        this.#syncer.add(digest);
        this.#upkeep.request();
      },
    });
    this.#stagings = new Stagings({
      layout,
      quota: this.#quota,
      faults: this.#faults,
      clock,
      found: unfinished,
      publish: (body, draft) => this.#publish(body, draft),
    });
    this.parts = this.#makeParts();
    this.#quota.addBlobs(blobs, bytes);
    this.#diskRoom.watch();
    this.#sweeping = unnamedBlobs === undefined ? Promise.resolve() : this.#sweep(unnamedBlobs);
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
    this.#blobs.noteUse(entry.digest);
    this.#upkeep.request();
    return Object.freeze({ ...entry, ...freshening, fields: Object.freeze([...freshening.fields]) });
  }

  remove(entry: EntryKey): void {
    try {
      this.#mayBeOrphaned(this.#inTransaction(() => this.#entries.remove(entry)));
    } catch (error) {
      this.#entries.hide(entry);
      this.#faults.report("index", error);
    }
  }

  invalidate(key: string): void {
    for (const entry of this.find(key)) this.remove(entry);
  }

  readWhole(digest: Digest): Buffer | Promise<Buffer> {
    this.#upkeep.request();
    return this.#blobs.readWhole(digest);
  }

  openBlob(digest: Digest, range?: ByteRange): Promise<Readable> {
    this.#upkeep.request();
    return this.#blobs.open(digest, range);
  }

  usage(): StoreUsage {
    const { blobs, blobBytes, stagingBytes, maxBytes } = this.#quota;
    return { blobs, blobBytes, stagingBytes, maxBytes, entries: this.#entries.count() };
  }

  list(options: { readonly containing?: string; readonly limit: number }): readonly StoreListing[] {
    while (this.#noteUses() > 0);
    return listEntries(this.#db, options);
  }

  #makeParts(): StoreParts {
    const dropUnnamed = (digests: Iterable<Digest>): readonly BlobFacts[] =>
      [...new Set(digests)].map((digest) => this.#table.dropUnnamed(digest)).filter((blob) => blob !== undefined);
    return {
      db: this.#db,
      layout: this.#layout,
      clock: this.#useClock,
      table: this.#table,
      blobs: this.#blobs,
      quota: this.#quota,
      noteUses: () => {
        while (this.#noteUses() > 0);
      },
      removeEntries: (entries) =>
        this.#inTransaction(() => {
          const named = entries.map((entry) => this.#entries.remove(entry));
          return dropUnnamed(named.filter((digest) => digest !== undefined));
        }),
      removeRow: ({ rowId, ...entry }) =>
        this.#inTransaction(() =>
          dropUnnamed([this.#entries.removeRow(rowId, entry)].flatMap((digest) => digest ?? [])),
        ),
      unpin: (digests) =>
        this.#inTransaction(() => {
          this.#table.setPinned(digests, false);
          return dropUnnamed(digests);
        }),
      isStagingOfSomebody: (name) => this.#stagings.mayBeUnderWay(name),
    };
  }

  /** Waits until what runs behind is done: sweeping after a crash, eviction, removal, making durable. */
  async settled(): Promise<void> {
    await this.#sweeping;
    await this.#diskRoom.look();
    await this.#evictor.idle();
    await this.#upkeep.run();
    await this.#blobs.idle();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#stagings.closeAll();
    await this.settled();
    this.#diskRoom.close();
    this.#db.close();
    this.#lock.release(this.#isTidy);
  }

  /**
   * Publishing: the file under its name first, then the rows that name it. A crash in between leaves a file that nothing
   * names, which the next start sweeps away.
   */
  async #publish(body: SealedBody, draft: EntryDraft): Promise<Entry> {
    const nowMs = this.#clock();
    const entry: Entry = Object.freeze({ ...draft, digest: body.digest, bytes: body.bytes, storedMs: nowMs });
    await this.#blobs.publish(body, entry.realm === PUBLIC_REALM, async () => {
      const { isNew, replaced } = await this.#rowGroups.add(() => ({
        isNew: this.#table.put(entry, this.#useClock()),
        replaced: this.#entries.put(entry),
      }));
      this.#mayBeOrphaned(replaced);
      return isNew;
    });
    this.#faults.recovered("index");
    this.#faults.recovered("staging");
    return entry;
  }

  #deleteRows(digests: readonly Digest[]): readonly BlobFacts[] {
    for (const digest of digests) this.#entries.forgetBlob(digest);
    return this.#inTransaction(() =>
      digests.map((digest) => this.#table.drop(digest)).filter((blob) => blob !== undefined),
    );
  }

  #mayBeOrphaned(digest: Digest | undefined): void {
    if (digest === undefined) return;
    this.#orphaned.add(digest);
    this.#upkeep.request();
  }

  async #keepUp(): Promise<void> {
    try {
      await this.#removeOrphaned();
      await this.#stagings.unfinished.dropOld();
      while (this.#noteUses() > 0) await nextTurn();
      await this.#syncer.sync();
      this.#faults.recovered("sync");
    } catch (error) {
      this.#faults.report("sync", error);
      if (this.#closing === undefined) this.#upkeep.request();
    }
  }

  async #removeOrphaned(): Promise<void> {
    for (const digest of this.#orphaned) {
      const blob = this.#inTransaction(() => this.#table.dropUnnamed(digest));
      this.#orphaned.delete(digest);
      if (blob !== undefined) await this.#blobs.removed(blob);
    }
  }

  /** Writes down when blobs were used, some of them. @returns how many */
  #noteUses(): number {
    const uses = this.#blobs.takeUses(USES_AT_ONCE);
    if (uses.length > 0) this.#inTransaction(() => this.#table.noteUses(uses));
    return uses.length;
  }

  /** Removes files that were published but never named by a row, or takes them into an index that was lost. */
  async #sweep(unnamedBlobs: UnnamedBlobs): Promise<void> {
    this.#isTidy = false;
    try {
      for await (const digest of blobsOnDisk(this.#layout)) {
        if (this.#closing !== undefined) return;
        if (unnamedBlobs === "adopt") await this.#blobs.adoptIfUnknown(digest);
        else await this.#blobs.removeIfUnknown(digest);
      }
      if (unnamedBlobs === "adopt") endAdoption(this.#layout);
      this.#isTidy = true;
    } catch (error) {
      this.#faults.report("blob", error);
    }
  }

  #inTransaction<T>(work: () => T): T {
    const result = transact(this.#db, work);
    this.#faults.recovered("index");
    return result;
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
