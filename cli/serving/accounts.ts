import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { toLarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Accounts } from "../../proxy/settings.ts";
import type { Ledger } from "../../storage/store.ts";
import { isPassword, readUsers, stateOfUsers, type Users } from "./users-file.ts";

/**
 * How long a password that was right is not checked again: scrypt is slow on purpose, and clients send it with each
 * request.
 */
const REMEMBERED_FOR_MS = 5 * 60_000;
/** Checks that may wait for each other; more at once are an attack, and would keep the others from their work. */
const MAX_WAITING = 64;

interface AccountsOptions {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The users of the file, each with a session of the ledger from when they first come in. A change of the file counts
 * from the next that comes in; while it cannot be read, who stood in it before may.
 */
export class UserAccounts implements Accounts {
  readonly #file: string;
  readonly #options: AccountsOptions;
  readonly #sessions = new Map<string, string>();
  /** What was right, by a keyed hash: no password stays in memory. */
  readonly #rightUntilMs = new Map<string, number>();
  readonly #key = randomBytes(32);
  #state: string | undefined;
  #users: Users;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** @throws LarderError `CONFIG_UNREADABLE` */
  constructor(file: string, options: AccountsOptions) {
    this.#file = file;
    this.#options = options;
    this.#state = stateOfUsers(file);
    this.#users = readUsers(file);
  }

  get hasUsers(): boolean {
    return this.#current().size > 0;
  }

  async signIn(name: string, password: string): Promise<string | undefined> {
    const { clock } = this.#options;
    const users = this.#current();
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

  #current(): Users {
    const { log } = this.#options;
    const state = stateOfUsers(this.#file);
    if (state === this.#state) return this.#users;
    this.#state = state;
    try {
      this.#users = readUsers(this.#file);
      this.#rightUntilMs.clear();
    } catch (error) {
      log.error({ reason: toLarderError(error).message }, "users cannot be read: those of before may still come in");
    }
    return this.#users;
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
