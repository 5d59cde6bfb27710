import { setTimeout as delay } from "node:timers/promises";
import { LarderError } from "../core/errors.ts";
import { formatAuthority } from "../core/target.ts";
import type { Listener, Proxy as NetworkSide } from "../proxy/settings.ts";
import type { Ledger, Receipt } from "../storage/store.ts";

/** How long the end of a session waits for exchanges that outlive the command, such as one cut off by a signal. */
const SETTLE_MS = 2000;

/** A named span of the ledger with a listener of its own: whatever comes in there belongs to it. */
export interface Session {
  readonly id: string;
  readonly name: string;
  readonly proxyUrl: string;
  /** Closes the listener and adds up what the session took. Idempotent: every call gets the same receipt. */
  end(): Promise<Receipt>;
  /** Resolves once the session has ended. */
  readonly ended: Promise<void>;
}

/** The sessions under way in this process. */
export class Sessions {
  readonly #proxy: NetworkSide;
  readonly #ledger: Ledger;
  readonly #open = new Map<string, Session>();
  #isClosed = false;

  constructor(proxy: NetworkSide, ledger: Ledger) {
    this.#proxy = proxy;
    this.#ledger = ledger;
  }

  /** @throws LarderError `LISTEN_FAILED`, or `NOT_RUNNING` when larder is about to end */
  async open(name: string): Promise<Session> {
    this.#refuseWhenClosed();
    const id = this.#ledger.openSession(name);
    const listener = await this.#listen(id);
    let receipt: Promise<Receipt> | undefined;
    const { promise: ended, resolve: onEnded } = promiseWithResolvers();
    const session: Session = {
      id,
      name,
      proxyUrl: `http://${formatAuthority(listener)}`,
      ended,
      end: () => {
        receipt ??= this.#end(id, listener).finally(onEnded);
        return receipt;
      },
    };
    this.#open.set(id, session);
    return session;
  }

  /** @throws LarderError `NOT_FOUND` */
  get(id: string): Session {
    const session = this.#open.get(id);
    if (session === undefined) throw new LarderError("NOT_FOUND", `no session ${id} is open`);
    return session;
  }

  list(): readonly Session[] {
    return [...this.#open.values()];
  }

  /** Ends every session and opens no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.list().map((session) => session.end()));
  }

  /** Resolves when no session is open, those included that open while it waits. */
  async whenNone(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.list().map((session) => session.ended));
  }

  /** Loopback only: a session is this machine's own. */
  async #listen(id: string): Promise<Listener> {
    try {
      const listener = await this.#proxy.listen({ host: "127.0.0.1", port: 0, session: id });
      // Whoever asked at the last moment is told so, rather than given a proxy that is about to go.
      this.#refuseWhenClosed();
      return listener;
    } catch (error) {
      this.#ledger.closeSession(id);
      throw error;
    }
  }

  #refuseWhenClosed(): void {
    if (this.#isClosed) throw new LarderError("NOT_RUNNING", "this larder is about to end");
  }

  async #end(id: string, listener: Listener): Promise<Receipt> {
    const tooLong = new AbortController();
    try {
      await Promise.race([listener.close(), delay(SETTLE_MS, undefined, { signal: tooLong.signal })]);
    } finally {
      tooLong.abort();
      this.#open.delete(id);
    }
    return this.#ledger.closeSession(id);
  }
}

function promiseWithResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
