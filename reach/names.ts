import { promises as dns, type LookupAddress } from "node:dns";
import { isIP } from "node:net";
import type { LocalLink } from "./local-link/questions.ts";
import { readTextOrNothing } from "./read-text.ts";

/** Where names are looked up: the files of this machine, and the local link. */
export interface NameSources {
  readonly hostsFile: string;
  readonly resolvConf: string;
  readonly localLink: LocalLink;
}

/** How long one question to a name server may take before it is put to the next, or again. */
const DNS_TIMEOUT_MS = 1_000;
const DNS_TRIES = 2;

/**
 * Looks up names the way the system does, hosts file first, but so that it can be given up: a getaddrinfo that hangs
 * keeps its thread, and with it the end of the process, for half a minute. `.local` is asked for on the local link (RFC
 * 6762), everything else by DNS.
 */
export class Names {
  readonly #sources: NameSources;

  constructor(sources: NameSources) {
    this.#sources = sources;
  }

  /**
   * Every address of the name, an empty list where it has none. Rejects when no name server answers, or the signal
   * aborts.
   */
  async addressesOf(name: string, signal: AbortSignal): Promise<readonly LookupAddress[]> {
    const family = isIP(name);
    if (family !== 0) return [{ address: name, family }];
    const known = addressesInHosts(await readTextOrNothing(this.#sources.hostsFile), name);
    if (known.length > 0) return known;
    if (name.endsWith(".local")) return this.#sources.localLink.addressesOf(name, signal);
    return this.#byDns(name, signal);
  }

  async #byDns(name: string, signal: AbortSignal): Promise<readonly LookupAddress[]> {
    const resolver = new dns.Resolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES });
    const giveUp = (): void => resolver.cancel();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      for (const fullName of await this.#fullNames(name)) {
        signal.throwIfAborted();
        const found = await addressesByDns(resolver, fullName);
        if (found.length > 0) return found;
      }
      return [];
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** A name without a dot is looked for in the search domains (resolv.conf(5)), as the system does. */
  async #fullNames(name: string): Promise<readonly string[]> {
    if (name.includes(".")) return [name];
    const domains = /^\s*(?:search|domain)\s+(.+)$/m.exec(await readTextOrNothing(this.#sources.resolvConf))?.[1];
    return [...(domains?.trim().split(/\s+/) ?? []).map((domain) => `${name}.${domain}`), name];
  }
}

/** As this machine is set up. */
export function systemNames(localLink: LocalLink): Names {
  return new Names({ hostsFile: "/etc/hosts", resolvConf: "/etc/resolv.conf", localLink });
}

const NO_SUCH_NAME = new Set(["ENOTFOUND", "ENODATA", "ESERVFAIL", "EREFUSED"]);

async function addressesByDns(resolver: dns.Resolver, name: string): Promise<readonly LookupAddress[]> {
  const results = await Promise.allSettled([
    resolver.resolve6(name).then((found) => found.map((address) => ({ address, family: 6 }))),
    resolver.resolve4(name).then((found) => found.map((address) => ({ address, family: 4 }))),
  ]);
  const found = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  const fault = results.find((result) => result.status === "rejected" && !NO_SUCH_NAME.has(result.reason.code));
  if (found.length === 0 && fault?.status === "rejected") throw fault.reason;
  return found;
}

function addressesInHosts(hosts: string, name: string): LookupAddress[] {
  return hosts.split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const family = isIP(address);
    return family !== 0 && names.some((one) => one.toLowerCase() === name.toLowerCase()) ? [{ address, family }] : [];
  });
}
