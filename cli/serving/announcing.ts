import { hostname, networkInterfaces } from "node:os";
import { LarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { type HostPort, isLoopback } from "../../core/target.ts";
import { Announcement } from "../../reach/local-link/announcement.ts";
import { type Link, linksOf } from "../../reach/local-link/links.ts";
import { describeNetwork, networkChange } from "../../reach/network-watch.ts";

/**
 * `_larder._tcp` is what `larder resolve` asks for, `_apt_proxy._tcp` what squid-deb-proxy-client takes: any proxy that
 * apt may use.
 */
const SERVICES = [
  { type: "_larder._tcp", text: ["txtvers=1", "nix=/nix/"] },
  { type: "_apt_proxy._tcp", text: [] },
] as const;
const NETWORK_CHECK_MS = 5_000;

export interface Announcing {
  /** Takes everything back. */
  close(): Promise<void>;
}

/**
 * Says on every link on which larder listens where it is, and again when the machine's addresses change.
 * @param listening addresses as they are bound
 * @throws LarderError `CONFIG_BAD_VALUE` where all of them are loopback.
 */
export function announce(listening: readonly HostPort[], log: Log): Announcing {
  const reachable = listening.filter(({ host }) => !isLoopback(host));
  const [first] = reachable;
  if (first === undefined) {
    const message =
      "announce is set, but larder listens on loopback only, where nobody else could come in; add --listen with an address of the network (or 0.0.0.0:3142), and --allow with who may come in";
    throw new LarderError("CONFIG_BAD_VALUE", message);
  }
  const end = new AbortController();
  const ended = announceUntil(end.signal, { hosts: reachable.map(({ host }) => host), port: first.port, log });
  return {
    close: () => {
      end.abort();
      return ended;
    },
  };
}

interface Announcer {
  readonly hosts: readonly string[];
  readonly port: number;
  readonly log: Log;
}

async function announceUntil(signal: AbortSignal, { hosts, port, log }: Announcer): Promise<void> {
  while (!signal.aborted) {
    const since = await describeNetwork([]);
    const own = Object.values(networkInterfaces()).flatMap((infos = []) => infos.map(({ address }) => address));
    const announced = { machine: hostname(), services: SERVICES, port };
    const announcements = linksOf()
      .map((link) => onlyListening(link, hosts))
      .filter(({ addresses }) => addresses.length > 0)
      .map((link) => new Announcement(link, { announced, isOwnAddress: (address) => own.includes(address), log }));
    await networkChange({ since, files: [], everyMs: NETWORK_CHECK_MS, withinMs: Number.POSITIVE_INFINITY, signal });
    await Promise.all(announcements.map((announcement) => announcement.close()));
  }
}

/** The link with those of its addresses at which larder answers. */
function onlyListening(link: Link, hosts: readonly string[]): Link {
  const listens = ({ address, family }: Link["addresses"][number]): boolean =>
    hosts.some((host) => host === address || host === "::" || (host === "0.0.0.0" && family === 4));
  return { ...link, addresses: link.addresses.filter(listens) };
}
