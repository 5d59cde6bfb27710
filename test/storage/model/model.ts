import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "vitest";
import { type Digest, digestOf } from "../../../core/digest.ts";
import type { ByteRange, ResourceClass } from "../../../core/entry.ts";
import { LarderError } from "../../../core/errors.ts";
import { fromRaw } from "../../../storage/keys.ts";
import { layoutOf } from "../../../storage/layout.ts";
import type { LocalStore } from "../../../storage/local-store.ts";
import type { StoreKeeper } from "../../../storage/maintenance/keeper.ts";
import type { BlobReader } from "../../../storage/store.ts";
import { noise } from "../../support/noise.ts";
import { keyOf, readBlob, stageBody, storeBody } from "../bodies.ts";
import { findingsIn, keeperOf, PATIENT } from "../maintenance/keeping.ts";
import type { Workbench } from "../workbench.ts";
import { blobsInDoubt, damage, replace, snapshot, type Tear, tear } from "./sudden-end.ts";

export const BODIES = [0, 1, 900, 70_000, 1_500_000].map((bytes, n) => noise(`model ${n}`, bytes));
const DIGESTS = BODIES.map((body) => digestOf(body));
const NOTHING = -1;

const uriOf = (n: number): string => `http://o/${n}`;

/** What is done to one URI; several run at once. Bodies are numbers of {@link BODIES}. */
export type Action =
  | { readonly do: "commit" | "abort"; readonly uri: number; readonly body: number; readonly class: ResourceClass }
  | { readonly do: "remove" | "freshen"; readonly uri: number }
  | { readonly do: "read"; readonly uri: number; readonly body: number; readonly part: readonly [number, number] };

/**
 * A store, and what may be found in it: for each URI the bodies that its entry may name. One possibility is a promise; eviction,
 * kills and power cuts add others, and looking settles which it is.
 */
export class StoreModel {
  readonly #workbench: Workbench;
  readonly #maxBytes: number;
  readonly #mayEvict: boolean;
  readonly #possible = new Map<number, ReadonlySet<number>>();
  /** Every body that the entry of a URI ever named: what a log without its end may lead back to. */
  readonly #ever = new Map<number, Set<number>>();
  readonly #pinned = new Set<number>();
  /** What power cuts may have damaged. */
  readonly #doubtful = new Set<Digest>();
  #readers: { readonly body: number; readonly reader: BlobReader }[] = [];
  #store: LocalStore;
  #keeper: StoreKeeper;
  #closeLedger: () => void;

  private constructor(workbench: Workbench, maxBytes: number, opened: Opened) {
    this.#workbench = workbench;
    this.#maxBytes = maxBytes;
    this.#mayEvict = maxBytes < 10_000_000;
    this.#store = opened.store;
    this.#keeper = opened.keeper;
    this.#closeLedger = opened.close;
  }

  static async open(workbench: Workbench, maxBytes: number): Promise<StoreModel> {
    return new StoreModel(workbench, maxBytes, await openWithKeeper(workbench, maxBytes));
  }

  async atOnce(actions: readonly Action[]): Promise<void> {
    this.#workbench.clock.advance(1_000);
    await Promise.all(actions.map((action) => this.#act(action)));
    await this.look();
  }

  async collect(maxBytes: number): Promise<void> {
    for (const uri of this.#possible.keys()) this.#mayVanish(uri);
    await this.#keeper.collect({ maxBytes }, PATIENT);
    await this.look();
  }

  async purge(uri: number): Promise<void> {
    await this.#keeper.purge({ pattern: uriOf(uri) }, PATIENT);
    this.#possible.delete(uri);
    await this.look();
  }

  /** What is not there cannot be pinned, what is not pinned cannot be unpinned: that is said. */
  async pin(body: number, isPinned: boolean): Promise<void> {
    const order = { what: [DIGESTS[body] as Digest] };
    try {
      await (isPinned ? this.#keeper.pin(order, PATIENT) : this.#keeper.unpin(order, PATIENT));
      if (isPinned) this.#pinned.add(body);
      else this.#pinned.delete(body);
    } catch (error) {
      expect(error).toMatchObject({ code: "USAGE" });
      if (isPinned) expect(this.#mustHave(body)).toBe(false);
      else expect(this.#pinned.has(body)).toBe(false);
    }
    await this.look();
  }

  /** Opens the body and holds it, whatever becomes of it. */
  async hold(body: number): Promise<void> {
    const reader = await this.#open(body, undefined);
    if (reader !== undefined) this.#readers.push({ body, reader });
  }

  /** Who has a body open reads on to its end. */
  async finishReaders(): Promise<void> {
    const readers = this.#readers;
    this.#readers = [];
    for (const { body, reader } of readers) expect((await buffer(reader)).equals(BODIES[body] as Buffer)).toBe(true);
  }

  async reopen(): Promise<void> {
    this.#closeLedger();
    await this.#store.close();
    await this.#openAgain();
    await this.look();
  }

  /**
   * Ends the process in the midst of these actions, as SIGKILL would: what was on disk at that moment is all that the next
   * one finds. A power cut may also take the end of the index's log, and with that the last rows; whatever blob the rest does not call
   * synced may be cut or gone as well.
   */
  async crash(actions: readonly Action[], { turns, cut }: { readonly turns: number; readonly cut: Tear | undefined }) {
    const { rootDir, folder } = this.#workbench;
    const underWay = actions.map((action) => this.#act(action).catch(() => undefined));
    const before = new Map(this.#possible);
    for (let turn = 0; turn < turns; turn++) await nextTurn();
    const [root, state] = [join(folder, "root-at-crash"), join(folder, "state-at-crash")];
    snapshot(rootDir, root);
    snapshot(join(folder, "state"), state);
    await Promise.all(underWay);
    this.#closeLedger();
    await this.#store.close();
    await replace(rootDir, root);
    await replace(join(folder, "state"), state);
    for (const { uri } of actions) {
      const possible = [...(before.get(uri) ?? [NOTHING]), ...(this.#possible.get(uri) ?? [NOTHING])];
      this.#possible.set(uri, new Set(possible));
    }
    if (cut !== undefined) await this.#cutPower(cut);
    await this.#openAgain();
    if (cut !== undefined) this.#findPinsAgain();
    await this.look();
    if (cut !== undefined) await this.#condemnDamaged();
  }

  /** Every entry names a body that may be there, and gives it; every promise is kept. */
  async look(): Promise<void> {
    for (const [uri, possible] of [...this.#possible]) {
      const [entry] = this.#store.find(keyOf(uriOf(uri)).key);
      const found = entry === undefined ? NOTHING : DIGESTS.indexOf(entry.digest);
      const mayBeGone = this.#mayEvict && [...possible].some((body) => !this.#pinned.has(body));
      if (!(found === NOTHING && mayBeGone)) expect([...possible]).toContain(found);
      if (found !== NOTHING && (await this.#gives(found))) this.#possible.set(uri, new Set([found]));
      else this.#possible.delete(uri);
    }
  }

  /** A body may be evicted at the last moment, or be found damaged; what is given is right to the last byte. */
  async #gives(body: number): Promise<boolean> {
    const digest = DIGESTS[body] as Digest;
    try {
      expect((await readBlob(this.#store, digest)).equals(BODIES[body] as Buffer)).toBe(true);
      return true;
    } catch (error) {
      const mayBeLost = this.#doubtful.has(digest) || (this.#mayEvict && !this.#pinned.has(body));
      if (!(error instanceof LarderError) || !mayBeLost) throw error;
      expect(["BLOB_MISSING", "BLOB_CORRUPT"]).toContain(error.code);
      return false;
    }
  }

  /** The invariants of docs/storage-format.md, when what runs behind is done. */
  async check(): Promise<void> {
    await this.#store.settled();
    await this.look();
    expect(await findingsIn(this.#store)).toEqual([]);
    const rows = this.#rows();
    const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
    const { blobs, blobBytes, entries, stagingBytes } = this.#store.usage();
    expect({ blobs, blobBytes }).toEqual({ blobs: rows.length, blobBytes: sum(rows.map(({ bytes }) => bytes)) });
    expect({ entries, stagingBytes }).toEqual({ entries: this.#possible.size, stagingBytes: 0 });
    for (const { digest, isNamed, pins } of rows)
      expect(isNamed || (pins === 1 && this.#pinned.has(DIGESTS.indexOf(digest)))).toBe(true);
    const pinnedBytes = sum(rows.filter(({ pins }) => pins === 1).map(({ bytes }) => bytes));
    expect(blobBytes).toBeLessThanOrEqual(Math.max(this.#maxBytes, pinnedBytes));
    const faults = this.#workbench.log.lines.filter(({ level }) => level === "error");
    for (const { facts } of faults) expect(this.#doubtful).toContain(facts["digest"]);
  }

  async close(): Promise<void> {
    await this.finishReaders();
    this.#closeLedger();
    await this.#store.close();
  }

  async #act(action: Action): Promise<void> {
    const store = this.#store;
    switch (action.do) {
      case "commit":
        return this.#commit(action.uri, action.body, action.class);
      case "abort":
        return (await stageBody(store, BODIES[action.body] as Buffer)).close();
      case "remove":
        store.remove(keyOf(uriOf(action.uri)));
        return void this.#possible.delete(action.uri);
      case "freshen":
        for (const entry of store.find(keyOf(uriOf(action.uri)).key)) store.freshen(entry, { ...entry, requestMs: 9 });
        return;
      default:
        return this.#readPart(action.body, action.part);
    }
  }

  /** Refused, at most, where bodies under way could not all fit at once; the entry before it stays then. */
  async #commit(uri: number, body: number, kind: ResourceClass): Promise<void> {
    try {
      this.#ever.set(uri, (this.#ever.get(uri) ?? new Set([NOTHING])).add(body));
      await storeBody(this.#store, uriOf(uri), BODIES[body] as Buffer, { class: kind });
      this.#possible.set(uri, new Set([body]));
    } catch (error) {
      expect(error).toMatchObject({ code: "STORE_UNWRITABLE", details: { reason: "limit" } });
    }
  }

  async #readPart(body: number, [from, to]: readonly [number, number]): Promise<void> {
    const { length } = BODIES[body] as Buffer;
    if (length === 0) return;
    const [one, other] = [Math.floor(from * length), Math.floor(to * length)];
    const range = { first: Math.min(one, other), last: Math.max(one, other) };
    const reader = await this.#open(body, range);
    if (reader === undefined) return;
    expect((await buffer(reader)).equals((BODIES[body] as Buffer).subarray(range.first, range.last + 1))).toBe(true);
  }

  async #open(body: number, range: ByteRange | undefined): Promise<BlobReader | undefined> {
    try {
      return await this.#store.openBlob(DIGESTS[body] as Digest, range);
    } catch (error) {
      expect(error).toMatchObject({ code: "BLOB_MISSING" });
      return undefined;
    }
  }

  #mustHave(body: number): boolean {
    return !this.#mayEvict && [...this.#possible.values()].some((bodies) => bodies.size === 1 && bodies.has(body));
  }

  #mayVanish(uri: number): void {
    const possible = this.#possible.get(uri) ?? new Set<number>();
    if ([...possible].every((body) => this.#pinned.has(body))) return;
    this.#possible.set(uri, new Set([...possible, NOTHING]));
  }

  async #openAgain(): Promise<void> {
    const opened = await openWithKeeper(this.#workbench, this.#maxBytes);
    this.#store = opened.store;
    this.#keeper = opened.keeper;
    this.#closeLedger = opened.close;
  }

  /** Tears the log; removes, cuts or changes whatever the rest does not call durable. What it does call so has to be there, unless it went. */
  async #cutPower(cut: Tear): Promise<void> {
    const { rootDir } = this.#workbench;
    await tear(layoutOf(rootDir).walFile, cut);
    for (const [uri, bodies] of this.#ever) this.#possible.set(uri, bodies);
    const { unsynced, gone } = blobsInDoubt(rootDir);
    for (const digest of gone) this.#doubtful.add(digest);
    for (const blob of unsynced) {
      if (BODIES[0]?.length === blob.bytes) continue;
      this.#doubtful.add(blob.digest);
      await damage(blob, this.#doubtful.size);
    }
  }

  /** One that was taken away just before a power cut may be there again. */
  #findPinsAgain(): void {
    for (const [body, digest] of DIGESTS.entries())
      if (this.#store.parts.table.isPinned(digest)) this.#pinned.add(body);
  }

  /** The blobs that the index knows. */
  #rows(): readonly {
    readonly digest: Digest;
    readonly bytes: number;
    readonly pins: number;
    readonly isNamed: boolean;
  }[] {
    const rows = this.#store.parts.db.prepare<[], { sha256: Buffer; bytes: number; pins: number; entries: number }>(
      "SELECT sha256, bytes, pins, (SELECT count(*) FROM entry WHERE entry.sha256 = blob.sha256) AS entries FROM blob",
    );
    return rows.all().map(({ sha256, entries, ...row }) => ({ ...row, digest: fromRaw(sha256), isNamed: entries > 0 }));
  }

  async #condemnDamaged(): Promise<void> {
    await this.#store.settled();
    for (const { name } of await findingsIn(this.#store)) expect([...this.#doubtful]).toContain(name);
  }
}

interface Opened {
  readonly store: LocalStore;
  readonly keeper: StoreKeeper;
  close(): void;
}

async function openWithKeeper(workbench: Workbench, maxBytes: number): Promise<Opened> {
  const store = await workbench.open({ maxBytes });
  return { store, ...(await keeperOf(workbench, store)) };
}
