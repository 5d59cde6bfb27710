import type { LookupAddress } from "node:dns";
import net from "node:net";
import { LarderError, toLarderError } from "../core/errors.ts";
import { formatAuthority, type HostPort } from "../core/target.ts";

/** What a dial needs of {@link Names}. */
interface NameService {
  addressesOf(name: string, signal: AbortSignal): Promise<readonly LookupAddress[]>;
}

export interface DialFirstOptions {
  /** For each place: finding its address and connecting to it, together. */
  readonly timeoutMs: number;
  readonly names: NameService;
}

/**
 * Connects to the first place that answers, one after the other; a name is looked up anew each time, and its addresses
 * are tried side by side (happy eyeballs, RFC 8305).
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

async function dial(place: HostPort, { timeoutMs, names }: DialFirstOptions): Promise<net.Socket> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    return await connect(await within(names.addressesOf(place.host, signal), signal), place, signal);
  } catch (error) {
    throw signal.aborted ? new Error(`does not answer within ${timeoutMs} ms`) : error;
  }
}

function connect(found: readonly LookupAddress[], { host, port }: HostPort, signal: AbortSignal): Promise<net.Socket> {
  if (found.length === 0) throw new Error("has no address");
  const lookup = (
    _name: string,
    _options: unknown,
    done: (error: null, found: readonly LookupAddress[]) => void,
  ): void => done(null, found);
  // Node's types know only the single-address form of `lookup`; with autoSelectFamily it is called for all of them.
  const socket = net.connect({
    host,
    port,
    lookup: lookup as unknown as net.LookupFunction,
    autoSelectFamily: true,
    allowHalfOpen: true,
    noDelay: true,
  });
  const connected = new Promise<net.Socket>((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => resolve(socket.off("error", reject)));
  });
  return within(connected, signal).catch((error: unknown) => {
    socket.on("error", () => undefined).destroy();
    throw error;
  });
}

/** The result, or a rejection as soon as the signal aborts. */
function within<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason);
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener("abort", giveUp));
  });
}
