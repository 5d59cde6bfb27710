/** Runs the work on one name in turn: what is begun first ends first. Work on different names runs side by side. */
export class Turns<Name> {
  readonly #last = new Map<Name, Promise<unknown>>();

  async take<T>(name: Name, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined);
    this.#last.set(name, settled);
    try {
      return await turn;
    } finally {
      if (this.#last.get(name) === settled) this.#last.delete(name);
    }
  }

  /** Resolves when all work begun so far has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}
