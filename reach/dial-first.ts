import dns from "node:dns";
import net from "node:net";
import { LarderError, toLarderError } from "../core/errors.ts";
import { formatAuthority, type HostPort } from "../core/target.ts";

/** Finds the addresses of a name, an empty list where it has none. */
export type Lookup = (name: string) => Promise<readonly dns.LookupAddress[]>;

export interface DialFirstOptions {
  /** For each place: finding its address and connecting to it, together. */
  readonly timeoutMs: number;
  readonly lookup: Lookup;
}

/**
 * Connects to the first place that answers, one after the other; a name is looked up anew each time, and its addresses are tried
 * side by side (happy eyeballs, RFC 8305).
 * @throws LarderError `NOT_RUNNING` with what was wrong at each place.
 */
export async function dialFirst(places: readonly HostPort[], options: DialFirstOptions): Promise<net.Socket> {
  const faults: string[] = [];
  for (const place of places) {
    try {
      return await dial(place, options);
    } catch (error) {
      faults.push(`${formatAuthority(place)} ${toLarderError(error).message}`);
    }
  }
  const tried = faults.length === 0 ? "nobody names one" : faults.join(", ");
  throw new LarderError("NOT_RUNNING", `no proxy answers: ${tried}; start one with \`larder serve\``);
}

function dial({ host, port }: HostPort, { timeoutMs, lookup }: DialFirstOptions): Promise<net.Socket> {
  const lookUp = (
    name: string,
    _options: unknown,
    done: (error: Error | null, found: dns.LookupAddress[]) => void,
  ): void => {
    lookup(name).then(
      (found) => (found.length === 0 ? done(new Error("has no address"), []) : done(null, [...found])),
      (error: Error) => done(error, []),
    );
  };
  // Node's types know only the single-address form of `lookup`; with autoSelectFamily it is called for all of them.
  const socket = net.connect({
    host,
    port,
    lookup: lookUp as unknown as net.LookupFunction,
    autoSelectFamily: true,
    allowHalfOpen: true,
    noDelay: true,
  });
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      settle();
    };
    const fail = (error: Error): void =>
      end(() => {
        socket.on("error", () => undefined).destroy();
        reject(error);
      });
    const timer = setTimeout(() => fail(new Error(`does not answer within ${timeoutMs} ms`)), timeoutMs);
    socket.once("error", fail);
    socket.once("connect", () => end(() => resolve(socket)));
  });
}

/** What the system's resolver says: /etc/hosts, DNS and whatever else it is set up for. */
export async function lookUpBySystem(name: string): Promise<readonly dns.LookupAddress[]> {
  return dns.promises.lookup(name, { all: true });
}
