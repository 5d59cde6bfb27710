import dns from "node:dns";
import net from "node:net";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import type { AddressRules } from "../../policy/access.ts";
import { originFault } from "./faults.ts";

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

type LookupCallback = (error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]) => void;

/** The check is on the address that is connected to, so a name that resolves differently the second time gains nothing. */
export function createDialer(rules: DialerRules): Dialer {
  const check = (address: string, { host, port }: HostPort): void => {
    if (rules.isOwnListener(address, port)) {
      throw new LarderError("TARGET_IS_PROXY", `${formatAuthority({ host, port })} is this proxy itself`);
    }
    rules.addresses.checkDestination(address, host);
  };
  return {
    async dial(to, options) {
      const { host, port } = to;
      rules.addresses.checkPort(port);
      if (net.isIP(to.host) !== 0) check(to.host, to);
      const lookup = (name: string, lookupOptions: dns.LookupOptions, done: LookupCallback): void => {
        dns.lookup(name, { ...lookupOptions, all: true }, (error, found) => {
          if (error !== null) done(error, []);
          else resolveAllowed(found, (address) => check(address, to), done);
        });
      };
      // Node's types know only the single-address form of `lookup`; with autoSelectFamily it is called for all of them.
      const socket = net.connect({
        host,
        port,
        lookup: lookup as unknown as net.LookupFunction,
        autoSelectFamily: true,
        noDelay: true,
        allowHalfOpen: options.allowHalfOpen ?? false,
      });
      return await connected(socket, to, options.timeoutMs);
    },
    async check(to) {
      rules.addresses.checkPort(to.port);
      if (net.isIP(to.host) !== 0) return check(to.host, to);
      const found = await dns.promises.lookup(to.host, { all: true }).catch(() => []);
      if (found.length > 0) resolveAllowed(found, (address) => check(address, to), throwIfAny);
    },
  };
}

function throwIfAny(error: Error | null): void {
  if (error !== null) throw error;
}

function resolveAllowed(found: dns.LookupAddress[], check: (address: string) => void, done: LookupCallback): void {
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
  if (allowed.length === 0 && refusal !== undefined) done(refusal as NodeJS.ErrnoException, []);
  else done(null, allowed);
}

function connected(socket: net.Socket, to: HostPort, timeoutMs: number): Promise<net.Socket> {
  const authority = formatAuthority(to);
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(originFault(error, authority));
    };
    const timer = setTimeout(() => {
      fail(
        new LarderError("ORIGIN_CONNECT_TIMEOUT", `${authority} did not accept a connection within ${timeoutMs} ms`),
      );
    }, timeoutMs);
    socket.once("error", fail);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeListener("error", fail);
      resolve(socket);
    });
  });
}
