import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import net from "node:net";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import type { AddressRules } from "../../policy/access/address-rules.ts";
import { originFault } from "./faults.ts";
import { connectToFirst } from "./first-address.ts";

export interface DialOptions {
  readonly timeoutMs: number;
  /** For tunnels: the origin's end does not close our side. */
  readonly allowHalfOpen?: boolean;
}

/** Opens TCP connections to origins, and only to addresses that the rules allow. */
export interface Dialer {
  /**
   * Connects to a host; of a name's addresses only those allowed are tried (happy eyeballs, RFC 8305).
   * @throws LarderError `PORT_NOT_ALLOWED`, `DESTINATION_NOT_ALLOWED`, `TARGET_IS_PROXY`, or an `ORIGIN_…` code.
   */
  dial(to: HostPort, options: DialOptions): Promise<net.Socket>;
  /**
   * Whether {@link dial} would find an address that it may connect to; a name that cannot be looked up passes.
   * @throws LarderError as `dial`, of an access code
   */
  check(to: HostPort): Promise<void>;
}

export interface DialerRules {
  readonly addresses: AddressRules;
  /** Whether that address and port is one of larder's own listeners. */
  isOwnListener(address: string, port: number): boolean;
}

/** All addresses of a name, in the order in which the system would try them. */
export type Lookup = (name: string) => Promise<readonly LookupAddress[]>;

/** The system's own, which goes by /etc/hosts and the rest of nsswitch.conf, and remembers nothing. */
const systemLookup: Lookup = (name) => lookup(name, { all: true, verbatim: true });

/**
 * The check is on the address that is connected to, so a name that resolves differently the second time gains nothing.
 * A name is looked up for each connection.
 */
export function createDialer(rules: DialerRules, lookUp: Lookup = systemLookup): Dialer {
  const check = (address: string, { host, port }: HostPort): void => {
    if (rules.isOwnListener(address, port)) {
      throw new LarderError("TARGET_IS_PROXY", `${formatAuthority({ host, port })} is this proxy itself`);
    }
    rules.addresses.checkDestination(address, host);
  };
  const allowedOf = (found: readonly LookupAddress[], to: HostPort) =>
    allowedAmong(found, (address) => check(address, to));
  return {
    async dial(to, options) {
      rules.addresses.checkPort(to.port);
      return await connectWithin(to, options, async () => allowedOf(await addressesOf(to.host, lookUp), to));
    },
    async check(to) {
      rules.addresses.checkPort(to.port);
      allowedOf(await addressesOf(to.host, lookUp).catch(() => []), to);
    },
  };
}

/** Connects to a host that the user named: no rule applies. @throws LarderError an `ORIGIN_…` code */
export function dialUnchecked(to: HostPort, options: DialOptions): Promise<net.Socket> {
  return connectWithin(to, options, () => addressesOf(to.host, systemLookup));
}

async function addressesOf(host: string, lookUp: Lookup): Promise<readonly LookupAddress[]> {
  const family = net.isIP(host);
  return family === 0 ? await lookUp(host) : [{ address: host, family }];
}

/** @throws the last refusal when none is allowed */
function allowedAmong(found: readonly LookupAddress[], check: (address: string) => void): readonly LookupAddress[] {
  let refusal: unknown;
  const allowed = found.filter(({ address }) => {
    try {
      check(address);
      return true;
    } catch (error) {
      refusal = error;
      return false;
    }
  });
  if (allowed.length === 0 && refusal !== undefined) throw refusal;
  return allowed;
}

/** The time is for finding the addresses and connecting to one of them, together. */
async function connectWithin(
  to: HostPort,
  { timeoutMs, allowHalfOpen = false }: DialOptions,
  find: () => Promise<readonly LookupAddress[]>,
): Promise<net.Socket> {
  const authority = formatAuthority(to);
  const abort = new AbortController();
  const timer = setTimeout(() => {
    const message = `${authority} did not accept a connection within ${timeoutMs} ms`;
    abort.abort(new LarderError("ORIGIN_CONNECT_TIMEOUT", message));
  }, timeoutMs);
  const { signal } = abort;
  try {
    const addresses = await within(find(), signal);
    if (addresses.length === 0) throw new LarderError("ORIGIN_DNS", `${authority}: the name has no address`);
    return await connectToFirst(addresses, { port: to.port, allowHalfOpen, signal });
  } catch (error) {
    throw originFault(error, authority);
  } finally {
    clearTimeout(timer);
  }
}

/** A look-up cannot be ended, but nobody has to wait for it. */
function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}
