import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { Accounts } from "../../proxy/settings.ts";
import type { Ledger } from "../../storage/store.ts";
import { isPassword, readUsers, type Users } from "./users-file.ts";

/** How long a password that was right is not checked again: scrypt is slow on purpose, and clients send it with each request. */
const REMEMBERED_FOR_MS = 5 * 60_000;
/** Checks that may wait for each other; more at once are an attack, and would keep the others from their work. */
const MAX_WAITING = 64;

interface AccountsOptions {
  readonly users: Users;
  readonly ledger: Ledger;
  readonly clock: Clock;
}

/** The users of the file, each with a session of the ledger from when they first come in. Changes count from the next start. */
export class UserAccounts implements Accounts {
  readonly #options: AccountsOptions;
  readonly #sessions = new Map<string, string>();
  /** What was right, by a keyed hash: no password stays in memory. */
  readonly #rightUntilMs = new Map<string, number>();
  readonly #key = randomBytes(32);
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /** The accounts of that file; `undefined` when nobody stands in it. @throws LarderError `CONFIG_UNREADABLE` */
  static open(file: string, options: Omit<AccountsOptions, "users">): UserAccounts | undefined {
    const users = readUsers(file);
    return users.size === 0 ? undefined : new UserAccounts({ ...options, users });
  }

  async signIn(name: string, password: string): Promise<string | undefined> {
    const { users, clock } = this.#options;
    const seal = createHmac("sha256", this.#key).update(`${name}:${password}`).digest("base64");
    if ((this.#rightUntilMs.get(seal) ?? 0) <= clock()) {
      this.#rightUntilMs.delete(seal);
      if (!(await this.#inTurn(() => isPassword(password, users.get(name))))) return undefined;
      this.#rightUntilMs.set(seal, clock() + REMEMBERED_FOR_MS);
    }
    return this.#sessionOf(name);
  }

  /** Ends the sessions. */
  close(): void {
    for (const id of this.#sessions.values()) this.#options.ledger.closeSession(id);
    this.#sessions.clear();
  }

  /** One at a time: each takes 32 MiB. */
  async #inTurn(check: () => Promise<boolean>): Promise<boolean> {
    if (this.#waiting >= MAX_WAITING) return false;
    this.#waiting += 1;
    const turn = this.#last.then(check);
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting -= 1;
    }
  }

  #sessionOf(name: string): string {
    const id = this.#sessions.get(name) ?? this.#options.ledger.openSession(`user ${name}`);
    this.#sessions.set(name, id);
    return id;
  }
}
