import { networkInterfaces } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import type { Listener, ListenOptions, Proxy as NetworkSide, Profile } from "../../proxy/settings.ts";
import type { Ledger, Receipt } from "../../storage/store.ts";

/** How long the end of a session waits for exchanges that outlive the command, such as one cut off by a signal. */
const SETTLE_MS = 2000;

/** Containers with a network of their own, which reach this machine by an address of it on their bridge. */
export interface GuestNetwork {
  readonly address: string;
  /** CIDR; only its addresses may come in there. */
  readonly network: string;
}

/** What a session is opened for. */
export interface SessionOptions {
  /** Containers that get a listener of their own. */
  readonly guests?: GuestNetwork | undefined;
  /** What may be reached through it; `everything` unless said. */
  readonly profile?: Profile | undefined;
}

/** A named span of the ledger with a listener of its own: whatever comes in there belongs to it. */
export interface Session {
  readonly id: string;
  readonly name: string;
  readonly proxyUrl: string;
  /** Where guests reach it, if the session was opened for some. */
  readonly guestUrl?: string | undefined;
  /** Closes the listener and adds up what the session took. Idempotent: every call gets the same receipt. */
  end(): Promise<Receipt>;
  /** Resolves once the session has ended. */
  readonly ended: Promise<void>;
}

interface SessionListeners {
  readonly own: Listener;
  readonly guests: Listener | undefined;
}

/** The sessions under way in this process. */
export class Sessions {
  readonly #proxy: NetworkSide;
  readonly #ledger: Ledger;
  readonly #open = new Map<string, Session>();
  #packagesUrl: Promise<string> | undefined;
  #isClosed = false;

  constructor(proxy: NetworkSide, ledger: Ledger) {
    this.#proxy = proxy;
    this.#ledger = ledger;
  }

  /** @throws LarderError `LISTEN_FAILED`, or `NOT_RUNNING` when larder is about to end */
  async open(name: string, options: SessionOptions = {}): Promise<Session> {
    const { guests } = options;
    this.#refuseWhenClosed();
    const id = this.#ledger.openSession(name);
    const listeners = await this.#listen(id, options);
    let receipt: Promise<Receipt> | undefined;
    const { promise: ended, resolve: onEnded } = promiseWithResolvers();
    const session: Session = {
      id,
      name,
      proxyUrl: urlOf(listeners.own),
      ...(guests === undefined || listeners.guests === undefined
        ? {}
        : { guestUrl: urlOf({ host: guests.address, port: listeners.guests.port }) }),
      ended,
      end: () => {
        receipt ??= this.#end(id, listeners).finally(onEnded);
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

  /**
   * Where guests of no session come in that are to reach packages and nothing else: `http://127.0.0.1:PORT` of a
   * listener that opens when it is first asked for, and lasts. @throws LarderError `LISTEN_FAILED`
   */
  packagesUrl(): Promise<string> {
    const opening =
      this.#packagesUrl ?? this.#proxy.listen({ host: "127.0.0.1", port: 0, profile: "packages" }).then(urlOf);
    this.#packagesUrl = opening;
    opening.catch(() => {
      this.#packagesUrl = undefined;
    });
    return opening;
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

  /** Loopback only, unless guests are invited: a session is this machine's own. */
  async #listen(session: string, { guests, profile = "everything" }: SessionOptions): Promise<SessionListeners> {
    try {
      const own = await this.#proxy.listen({ host: "127.0.0.1", port: 0, session, profile });
      const invited = guests === undefined ? undefined : await this.#listenForGuests({ session, profile }, guests);
      const listeners = { own, guests: invited };
      // Whoever asked at the last moment is told so, rather than given a proxy that is about to go.
      this.#refuseWhenClosed();
      return listeners;
    } catch (error) {
      this.#ledger.closeSession(session);
      throw error;
    }
  }

  /**
   * An engine brings its bridge up with the first container, and a container may ask at once: where the address is not
   * there yet, every address of this machine is listened on until the session ends. Who may come in is the same.
   */
  async #listenForGuests(
    options: Pick<ListenOptions, "session" | "profile">,
    { address, network }: GuestNetwork,
  ): Promise<Listener> {
    const isUp = Object.values(networkInterfaces()).some((facts) => facts?.some((fact) => fact.address === address));
    return this.#proxy.listen({ ...options, host: isUp ? address : "0.0.0.0", port: 0, allowClients: [network] });
  }

  #refuseWhenClosed(): void {
    if (this.#isClosed) throw new LarderError("NOT_RUNNING", "this larder is about to end");
  }

  async #end(id: string, { own, guests }: SessionListeners): Promise<Receipt> {
    const tooLong = new AbortController();
    try {
      await Promise.race([
        Promise.all([own.close(), guests?.close()]),
        delay(SETTLE_MS, undefined, { signal: tooLong.signal }),
      ]);
    } finally {
      tooLong.abort();
      this.#open.delete(id);
    }
    return this.#ledger.closeSession(id);
  }
}

function urlOf(place: HostPort): string {
  return `http://${formatAuthority(place)}`;
}

function promiseWithResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
