import { type Database, transact } from "./database.ts";

/** Rows of some 4 ms: a group never holds up an exchange for longer. */
const GROUP_SIZE = 64;

interface Waiting {
  readonly write: () => void;
  readonly reject: (error: unknown) => void;
  settle(): void;
}

/**
 * Writes what many wish to write in one turn of the event loop in one transaction: a transaction of its own costs each of them more
 * than its rows. None of them is written, or fails, because of another.
 */
export class RowGroups {
  readonly #db: Database;
  #waiting: Waiting[] = [];
  #atEndOfTurn: NodeJS.Immediate | undefined;

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
      else this.#atEndOfTurn ??= setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    clearImmediate(this.#atEndOfTurn);
    this.#atEndOfTurn = undefined;
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
