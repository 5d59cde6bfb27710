/** What a part of a document says about one thing, by the names of its fields or elements. */
export class Facts {
  readonly #values = new Map<string, string>();
  #contradicts = false;

  /** Remembers a value; the first one stays. */
  set(name: string, value: string | undefined): void {
    if (value === undefined) return;
    const before = this.#values.get(name);
    if (before === undefined) this.#values.set(name, value);
    else if (before !== value) this.#contradicts = true;
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  /** True when something was said twice, with different values: clients differ in which one they take. */
  get contradicts(): boolean {
    return this.#contradicts;
  }
}
