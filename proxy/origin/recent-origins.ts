/** Origins that are remembered, at some 500 bytes each. */
const MAX_ORIGINS = 1_000;

/** What is remembered of origins, by some name of theirs; what was set longest ago is forgotten first. */
export class RecentOrigins<T> {
  readonly #known = new Map<string, T>();

  get size(): number {
    return this.#known.size;
  }

  get(name: string): T | undefined {
    return this.#known.get(name);
  }

  set(name: string, value: T): void {
    this.#known.delete(name);
    this.#known.set(name, value);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_ORIGINS && oldest !== undefined) this.#known.delete(oldest);
  }

  delete(name: string): void {
    this.#known.delete(name);
  }
}
