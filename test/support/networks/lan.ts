import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { mustRun } from "../programs.ts";
import { Network } from "./network.ts";

/** Addresses of a range for examples (RFC 5737). */
export const LAN = {
  cache: "192.0.2.10",
  otherCache: "192.0.2.11",
  publicCache: "192.0.2.40",
  names: "192.0.2.53",
  /** What is sent to it vanishes. It is the default gateway, so that all other addresses are as silent. */
  blackHole: "192.0.2.99",
} as const;
/** The same for IPv6 (RFC 3849). */
export const LAN6 = { cache: "2001:db8::10", publicCache: "2001:db8::40", names: "2001:db8::53" } as const;

const UNANSWERED = "lladdr 02:00:00:00:00:99 dev lan0 nud permanent";
const UP = ["ip link add lan0 type veth peer name far0", "ip link set far0 up", "ip link set lan0 up"];

/** A network with one link, with the addresses of {@link LAN} or {@link LAN6}, and a real name server. */
export class Lan {
  readonly network: Network;
  readonly #hostsFile: string;
  readonly #publicCache: string;
  readonly #nameServer: string;
  #names: ChildProcess | undefined;

  private constructor(network: Network, folder: string, own: { readonly publicCache: string; readonly names: string }) {
    this.network = network;
    this.#hostsFile = join(folder, "names");
    this.#publicCache = own.publicCache;
    this.#nameServer = own.names;
  }

  /** @param folder empty */
  static async create(folder: string): Promise<Lan> {
    const own = [LAN.cache, LAN.otherCache, LAN.publicCache, LAN.names];
    const setUp = [
      ...UP,
      // The kernel removes the others of a range with its first.
      "ip address add 192.0.2.1/24 dev lan0",
      ...own.map((address) => `ip address add ${address}/24 dev lan0`),
      `ip neighbour add ${LAN.blackHole} ${UNANSWERED}`,
      `ip route add default via ${LAN.blackHole}`,
    ];
    const network = await Network.create({ folder, nameServers: [LAN.names], setUp });
    return new Lan(network, folder, LAN).#begin();
  }

  /** One that knows IPv4 on loopback only. */
  static async createIpv6Only(folder: string): Promise<Lan> {
    const own = Object.values(LAN6).map((address) => `ip address add ${address}/64 dev lan0 nodad`);
    const network = await Network.create({ folder, nameServers: [LAN6.names], setUp: [...UP, ...own] });
    return new Lan(network, folder, LAN6).#begin();
  }

  /** Puts names in place of those that the name server knows beside the public cache's; no others exist. */
  async name(names: Readonly<Record<string, string>>): Promise<void> {
    const all = Object.entries({ ...names, "cache.nixos.org": this.#publicCache });
    await writeFile(this.#hostsFile, all.map(([name, address]) => `${address} ${name}\n`).join(""));
    // Another one, for it says nothing when it has read its file again; whoever asks a new one waits until it has read it.
    await this.#endNames();
    const dnsmasq = `dnsmasq --no-daemon --user=root --no-resolv --no-hosts '--addn-hosts=${this.#hostsFile}' '--address=/#/' --bind-interfaces --listen-address=${this.#nameServer}`;
    const cwd = dirname(this.#hostsFile);
    this.#names = await this.network.start("sh", ["-c", `exec ${dnsmasq} 2>&1`], { cwd });
  }

  /** From now on what is sent to one of its addresses vanishes. */
  async lose(address: string): Promise<void> {
    const script = `ip address del ${address}/24 dev lan0; ip neighbour replace ${address} ${UNANSWERED}`;
    await mustRun("nsenter", [...this.network.enter.slice(1), "sh", "-ec", script], { cwd: dirname(this.#hostsFile) });
  }

  async #begin(): Promise<Lan> {
    await this.name({});
    return this;
  }

  async #endNames(): Promise<void> {
    if (this.#names === undefined) return;
    const ended = once(this.#names, "exit");
    this.#names.kill("SIGKILL");
    await ended;
  }
}
