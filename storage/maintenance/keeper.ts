import { LarderError, systemCode } from "../../core/errors.ts";
import { transact } from "../database.ts";
import { unwritable } from "../faults.ts";
import { collect } from "./collect.ts";
import { judge } from "./judge.ts";
import type {
  Collected,
  CollectOrder,
  Judged,
  JudgeOrder,
  Pin,
  PinOrder,
  PinsChanged,
  Purged,
  PurgeOrder,
  StoreKeeping,
  Watch,
} from "./keeping.ts";
import type { StoreParts } from "./parts.ts";
import type { PinTable } from "./pins.ts";
import { purge } from "./purge.ts";
import { Rows } from "./rows.ts";
import { parseSelection, selectBlobs } from "./selection.ts";

/** Keeps a store, as its one writer. */
export class StoreKeeper implements StoreKeeping {
  readonly #parts: StoreParts;
  readonly #pins: PinTable;
  readonly #rows: Rows;

  /** Pins that only the ledger or only the index knows are made good in the other. */
  constructor(parts: StoreParts, pins: PinTable) {
    this.#parts = parts;
    this.#pins = pins;
    this.#rows = new Rows(parts.db);
    const pinnedMs = parts.clock();
    pins.add(parts.table.pinnedRows().map((digest) => ({ digest, uri: undefined, pinnedMs })));
    this.#setPinned(pins.all());
  }

  collect(order: CollectOrder, watch: Watch): Promise<Collected> {
    return orUnwritable(collect(this.#parts, order, watch));
  }

  purge(order: PurgeOrder, watch: Watch): Promise<Purged> {
    return orUnwritable(purge(this.#parts, order, watch));
  }

  async pin({ what }: PinOrder, watch: Watch): Promise<PinsChanged> {
    const meant = await selectBlobs(this.#rows, parseSelection(what), watch);
    if (meant.length === 0 && !watch.signal.aborted) throw nothingMeant(what, "stored");
    if (watch.signal.aborted) return { pins: [], isInterrupted: true };
    const pinnedMs = this.#parts.clock();
    const pins = meant.map((blob): Pin => ({ ...blob, pinnedMs }));
    // The ledger first: what it says is made good in the index at the next start, whatever happens between the two.
    this.#pins.add(pins);
    this.#setPinned(pins);
    return { pins, isInterrupted: false };
  }

  async unpin({ what }: PinOrder, watch: Watch): Promise<PinsChanged> {
    const isMeant = parseSelection(what);
    const meant = new Set((await selectBlobs(this.#rows, isMeant, watch)).map(({ digest }) => digest));
    if (watch.signal.aborted) return { pins: [], isInterrupted: true };
    const pins = this.#pins.all().filter((pin) => meant.has(pin.digest) || isMeant(pin));
    if (pins.length === 0) throw nothingMeant(what, "pinned");
    this.#pins.remove(pins);
    await this.#parts.blobs.removed(this.#parts.unpin(pins.map(({ digest }) => digest)));
    return { pins, isInterrupted: false };
  }

  judge(order: JudgeOrder, watch: Watch): Promise<Judged> {
    return orUnwritable(judge(this.#parts, order, watch));
  }

  #setPinned(pins: readonly Pin[]): void {
    const { db, table } = this.#parts;
    const digests = pins.map(({ digest }) => digest);
    transact(db, () => table.setPinned(digests, true));
  }
}

/** What the disk refuses is no fault of larder's own. @throws LarderError `STORE_UNWRITABLE` */
async function orUnwritable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw systemCode(error) === undefined ? error : unwritable("the store", error);
  }
}

function nothingMeant(what: readonly string[], state: "stored" | "pinned"): LarderError {
  const named = what.map((word) => JSON.stringify(word)).join(", ");
  return new LarderError(
    "USAGE",
    `nothing ${state} is meant by ${named}; name a digest of \`larder store ls\`, or a pattern over whole URIs such as '**/left-pad-*'`,
  );
}
