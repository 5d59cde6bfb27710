import type { Entry } from "../core/entry.ts";
import { toLarderError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { EntryDraft, EntryFreshening, Staging, Store } from "../storage/store.ts";
import type { FillOrder, FillSource } from "./fill-order.ts";

interface KeepingDependencies {
  readonly store: Store;
  readonly log: Log;
}

/** What one fill leaves in the store, unless the store has been told meanwhile that the resource has changed. */
export class Keeping {
  readonly #order: FillOrder;
  readonly #dependencies: KeepingDependencies;
  #stored: Entry | undefined;
  #isDisowned = false;

  constructor(order: FillOrder, dependencies: KeepingDependencies) {
    this.#order = order;
    this.#dependencies = dependencies;
  }

  /** What the store holds of it by now. */
  get stored(): Entry | undefined {
    return this.#stored;
  }

  /** Nothing of this fill is kept from now on: an unsafe request has changed what it fetches (RFC 9111 §4.4). */
  disown(): void {
    this.#isDisowned = true;
  }

  /** What the store held before is all there is to it. */
  found(held: Entry): void {
    this.#stored = held;
  }

  /** @returns the freshened entry, to be served. */
  async freshen(source: FillSource, entry: Entry, freshening: EntryFreshening): Promise<Entry> {
    if (this.#isDisowned) return { ...entry, ...freshening };
    this.#stored = this.#dependencies.store.freshen(entry, freshening);
    await this.#order.onStored?.(this.#stored, source);
    return this.#stored;
  }

  /** The readers have their bytes already: a store that cannot keep them is logged, and nothing more. */
  async commit(source: FillSource, draft: EntryDraft, staging: Staging): Promise<void> {
    if (this.#isDisowned) return;
    const { store, log } = this.#dependencies;
    try {
      const entry = await staging.commit(draft);
      if (this.#isDisowned) return store.remove(entry);
      this.#stored = entry;
      await this.#order.onStored?.(entry, source);
    } catch (error) {
      // The store has told of its fault itself, once.
      const { code, message } = toLarderError(error);
      log.debug({ code, reason: message, key: draft.key.split("?")[0] }, "served without storing");
    }
  }
}
