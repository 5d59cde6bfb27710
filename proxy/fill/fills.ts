import pLimit, { type LimitFunction } from "p-limit";
import type { Declaration } from "../../core/declaration.ts";
import { PUBLIC_REALM, type Realm } from "../../core/entry.ts";
import { Fill } from "./fill.ts";
import type { FillDependencies, FillOrder } from "./fill-order.ts";

/** Every fill under way: one per resource, and so many per origin at once. */
export class Fills {
  readonly #dependencies: FillDependencies;
  readonly #perOrigin: number;
  readonly #running = new Map<string, Fill>();
  /** Also those that another has taken the place of. */
  readonly #ends = new Map<Fill, Promise<void>>();
  readonly #limits = new Map<string, LimitFunction>();
  #started = 0;
  #isCancelled = false;

  constructor(dependencies: FillDependencies, perOrigin: number) {
    this.#dependencies = dependencies;
    this.#perOrigin = perOrigin;
  }

  get started(): number {
    return this.#started;
  }

  get underWay(): number {
    return this.#ends.size;
  }

  find(place: string): Fill | undefined {
    return this.#running.get(place);
  }

  /** Resolves when a fill that has its last byte already is committed; at once while there is none. */
  async committed(place: string): Promise<void> {
    const fill = this.#running.get(place);
    if (fill?.hasLastByte === true) await fill.settled;
  }

  /** A public fill, under whatever name, of bytes that have this very digest. */
  findDeclared({ algorithm, digest }: Declaration): Fill | undefined {
    for (const fill of this.#running.values()) {
      const { declared, request } = fill.order;
      if (declared?.digest === digest && declared.algorithm === algorithm && request.realm === PUBLIC_REALM)
        return fill;
    }
    return undefined;
  }

  /** As {@link Fills.committed}, for every variant and part of the key that comes to that realm. */
  async allCommitted(key: string, realm: Realm): Promise<void> {
    for (const { order, hasLastByte, settled } of this.#running.values())
      if (hasLastByte && order.key === key && order.request.realm === realm) await settled;
  }

  /**
   * Starts a fill that others find under `place` until it has been committed or dropped.
   * @param lane its bound is its own: a root holds its place until its members are there, and must not stand in their
   * way.
   */
  lead(place: string, order: FillOrder, lane: "clients" | "members" = "clients"): Fill {
    const fill = new Fill(order, this.#dependencies);
    this.#started += 1;
    this.#running.set(place, fill);
    const end = this.#bring(fill, { place, lane: `${lane} ${order.request.target.authority}` });
    this.#ends.set(fill, end);
    if (this.#isCancelled) fill.cancel();
    return fill;
  }

  /** Nothing that is under way for the key is kept, and nobody joins it any more (RFC 9111 §4.4). */
  disown(key: string): void {
    for (const fill of this.#ends.keys()) if (fill.order.key === key) fill.disown();
    for (const [place, fill] of this.#running) if (fill.order.key === key) this.#running.delete(place);
  }

  /** Resolves when no fill is under way; after `cancelAll` soon. */
  async idle(): Promise<void> {
    while (this.#ends.size > 0) await Promise.allSettled(this.#ends.values());
  }

  /** Ends every fill, those too that are led from now on. */
  cancelAll(): void {
    this.#isCancelled = true;
    for (const fill of this.#ends.keys()) fill.cancel();
  }

  /** To the end, and never rejects. Nobody finds a fill any more that lets go of its body. */
  async #bring(fill: Fill, { place, lane }: { readonly place: string; readonly lane: string }): Promise<void> {
    await this.#limited(lane, () => fill.run());
    if (this.#running.get(place) === fill) this.#running.delete(place);
    await fill.settle();
    this.#ends.delete(fill);
  }

  async #limited(lane: string, run: () => Promise<void>): Promise<void> {
    const limit = this.#limits.get(lane) ?? pLimit(this.#perOrigin);
    this.#limits.set(lane, limit);
    try {
      await limit(run);
    } finally {
      // p-limit lets go of a place only after it has told that the work is done.
      setImmediate(() => {
        if (limit.activeCount === 0 && limit.pendingCount === 0) this.#limits.delete(lane);
      });
    }
  }
}

/** Where a fill is found by those who want the same: the key, the realm, and the variant where one is known. */
export function placeOf(key: string, realm: Realm, variant = ""): string {
  return `${realm} ${key} ${variant}`;
}
