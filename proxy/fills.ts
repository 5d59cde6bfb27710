import pLimit, { type LimitFunction } from "p-limit";
import type { Realm } from "../core/entry.ts";
import { Fill, type FillDependencies, type FillOrder } from "./fill.ts";

/** Every fill under way: one per resource, and so many per origin at once. */
export class Fills {
  readonly #dependencies: FillDependencies;
  readonly #perOrigin: number;
  readonly #running = new Map<string, Fill>();
  readonly #ends = new Set<Promise<void>>();
  readonly #limits = new Map<string, LimitFunction>();
  #started = 0;

  constructor(dependencies: FillDependencies, perOrigin: number) {
    this.#dependencies = dependencies;
    this.#perOrigin = perOrigin;
  }

  get started(): number {
    return this.#started;
  }

  get underWay(): number {
    return this.#running.size;
  }

  find(place: string): Fill | undefined {
    return this.#running.get(place);
  }

  /** Resolves when a fill that has its last byte already is committed; at once while there is none. */
  async committed(place: string): Promise<void> {
    const fill = this.#running.get(place);
    if (fill?.hasLastByte === true) await fill.settled;
  }

  /**
   * Starts a fill that others find under `place` until it has been committed or dropped.
   * @param lane its bound is its own: a root holds its place until its members are there, and must not stand in their way.
   */
  lead(place: string, order: FillOrder, lane: "clients" | "members" = "clients"): Fill {
    const fill = new Fill(order, this.#dependencies);
    this.#started += 1;
    this.#running.set(place, fill);
    const end = this.#limited(`${lane} ${order.request.target.authority}`, () => fill.run()).finally(() => {
      if (this.#running.get(place) === fill) this.#running.delete(place);
      this.#ends.delete(end);
    });
    this.#ends.add(end);
    return fill;
  }

  /** Resolves when no fill is under way; after `cancelAll` soon. */
  async idle(): Promise<void> {
    while (this.#ends.size > 0) await Promise.allSettled([...this.#ends]);
  }

  cancelAll(): void {
    for (const fill of this.#running.values()) fill.cancel();
  }

  async #limited(lane: string, run: () => Promise<void>): Promise<void> {
    const limit = this.#limits.get(lane) ?? pLimit(this.#perOrigin);
    this.#limits.set(lane, limit);
    try {
      await limit(run);
    } finally {
      if (limit.activeCount === 0 && limit.pendingCount === 0) this.#limits.delete(lane);
    }
  }
}

/** Where a fill is found by those who want the same: the key, the realm, and the variant where one is known. */
export function placeOf(key: string, realm: Realm, variant = ""): string {
  return `${realm} ${key} ${variant}`;
}
