import { type Database, transact } from "./database.ts";

/** Rows of some 4 ms: a group never holds up an exchange for longer. */
const GROUP_SIZE = 64;
/** How often there is a transaction when many are asked for. The first one after a pause does not wait. */
const PAUSE_MS = 4;

interface Waiting {
  readonly write: () => void;
  readonly reject: (error: unknown) => void;
  settle(): void;
}

/**
 * Writes what many wish to write at the same moment in one transaction: a transaction of its own costs each of them
 * more than its rows. None of them is written, or fails, because of another.
 */
export class RowGroups {
  readonly #db: Database;
  readonly #hold: () => Promise<void> | undefined;
  readonly #waiting: Waiting[] = [];
  #atEndOfTurn: NodeJS.Immediate | undefined;
  #pause: NodeJS.Timeout | undefined;
  #held: Promise<void> | undefined;

  /** @param hold while it gives a promise, nothing is written until that has resolved */
  constructor(db: Database, hold: () => Promise<void> | undefined) {
    this.#db = db;
    this.#hold = hold;
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
      else if (this.#pause === undefined) this.#atEndOfTurn ??= setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    clearImmediate(this.#atEndOfTurn);
    this.#atEndOfTurn = undefined;
    const hold = this.#hold();
    if (hold !== undefined) {
      this.#flushAfter(hold);
      return;
    }
    this.#pause ??= setTimeout(() => this.#endPause(), PAUSE_MS);
    const group = this.#waiting.splice(0, GROUP_SIZE);
    if (!this.#commit(group)) for (const one of group) this.#commitAlone(one);
  }

  #flushAfter(hold: Promise<void>): void {
    this.#held ??= hold.then(() => {
      this.#held = undefined;
      this.#flush();
    });
  }

  #endPause(): void {
    this.#pause = undefined;
    if (this.#waiting.length > 0) this.#flush();
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
