import type { Entry } from "../../core/entry.ts";
import { toLarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { headOfCut, partOf, partVariant } from "../../policy/parts.ts";
import type { EntryDraft, EntryFreshening, Staging, Store } from "../../storage/store.ts";
import type { FillHead, FillOrder, FillSource } from "./fill-order.ts";

/** Parts of one resource that are kept: clients that seek about in a file must not fill the index with its pieces. */
const MAX_PARTS = 16;

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

  /**
   * Keeps what came of an answer before it was cut for good, where a rest could be told to belong to it (RFC 9111
   * §3.3).
   */
  async keepCut(
    source: FillSource,
    { draft, bytes }: Pick<FillHead & { kind: "body" }, "draft" | "bytes">,
    staging: Staging,
  ): Promise<void> {
    const cut = bytes === undefined ? undefined : headOfCut(draft, staging.appendedBytes, bytes);
    if (cut === undefined || this.#order.context.class === "root") return;
    await staging.seal();
    await this.commit(source, { ...draft, ...cut }, staging);
  }

  /** The newest are kept. */
  #limitParts(key: string): void {
    const { store } = this.#dependencies;
    const parts = store.find(key).filter(({ status }) => status === 206);
    for (const entry of parts.slice(MAX_PARTS)) store.remove(entry);
  }

  /** The readers have their bytes already: a store that cannot keep them is logged, and nothing more. */
  async commit(source: FillSource, draft: EntryDraft, staging: Staging): Promise<void> {
    if (this.#isDisowned) return;
    const { store, log } = this.#dependencies;
    try {
      const part = partOf(draft);
      if (part !== undefined && staging.appendedBytes !== part.range.last - part.range.first + 1) return;
      const entry = await staging.commit(
        part === undefined ? draft : { ...draft, variant: partVariant(draft.variant, part.range) },
      );
      if (this.#isDisowned) return store.remove(entry);
      if (part === undefined) this.#order.beginning?.pieces.forEach((piece) => void store.remove(piece.entry));
      else this.#limitParts(draft.key);
      this.#stored = entry;
      await this.#order.onStored?.(entry, source);
    } catch (error) {
      // The store has told of its fault itself, once.
      const { code, message } = toLarderError(error);
      log.debug({ code, reason: message, key: draft.key.split("?")[0] }, "served without storing");
    }
  }
}

/**
 * The variant under which a declared body is stored: its digest, so that what a name meant in one generation stands
 * beside what it means in the next.
 */
export function declaredVariant(digest: string): string {
  return `sha256-${digest}`;
}
