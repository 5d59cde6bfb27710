import { type Database, transact } from "./database.ts";

/** How long rows wait for others. Nobody waits for them but whoever wants them to be there: bodies have gone out by then. */
const GROUP_MS = 5;
/** Rows of some 4 ms: a group never holds up an exchange for longer. */
const GROUP_SIZE = 64;

interface Waiting {
  readonly write: () => void;
  readonly reject: (error: unknown) => void;
  settle(): void;
}

/**
 * Writes what many wish to write within a few milliseconds in one transaction: a transaction of its own costs each of them more
 * than its rows. None of them is written, or fails, because of another.
 */
export class RowGroups {
  readonly #db: Database;
  #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  /** @param write changes rows, all or none; may be run again. Resolves with its result when that is committed. */
  add<T>(write: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T;
      this.#waiting.push({
        write: () => {
          result = write();
        },
        reject,
        settle: () => resolve(result),
      });
      if (this.#waiting.length >= GROUP_SIZE) this.#flush();
      else this.#timer ??= setTimeout(() => this.#flush(), GROUP_MS);
    });
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const group = this.#waiting;
    this.#waiting = [];
    if (!this.#commit(group)) for (const one of group) this.#commitAlone(one);
  }

  #commit(group: readonly Waiting[]): boolean {
    try {
      transact(this.#db, () => {
        for (const { write } of group) write();
      });
    } catch {
      return false;
    }
    for (const one of group) one.settle();
    return true;
  }

  #commitAlone(one: Waiting): void {
    try {
      transact(this.#db, one.write);
      one.settle();
    } catch (error) {
      one.reject(error);
    }
  }
}
