import net from "node:net";
import type { HostPort } from "../../core/target.ts";

/**
 * The list of `no_proxy`: names, `.suffixes`, `*`, addresses and CIDR blocks; a `:port` at the end of a name restricts
 * it to that port.
 */
export class NoProxy {
  readonly #names: { readonly suffix: string; readonly port: number | undefined }[] = [];
  readonly #blocks = new net.BlockList();
  readonly #isEverything: boolean;

  constructor(list: string) {
    const members = list.split(/[\s,]+/).filter((member) => member !== "");
    this.#isEverything = members.includes("*");
    for (const member of members) if (!this.#addBlock(member)) this.#addName(member);
  }

  matches({ host, port }: HostPort): boolean {
    if (this.#isEverything) return true;
    const family = net.isIP(host);
    if (family !== 0) return this.#blocks.check(host, family === 6 ? "ipv6" : "ipv4");
    return this.#names.some(
      (name) =>
        (name.port === undefined || name.port === port) && (host === name.suffix || host.endsWith(`.${name.suffix}`)),
    );
  }

  #addBlock(member: string): boolean {
    const [address = "", prefix] = member.replace(/^\[|\]$/g, "").split("/");
    const family = net.isIP(address);
    if (family === 0) return false;
    const bits = prefix === undefined ? (family === 6 ? 128 : 32) : Number(prefix);
    if (Number.isInteger(bits) && bits >= 0 && bits <= (family === 6 ? 128 : 32)) {
      this.#blocks.addSubnet(address, bits, family === 6 ? "ipv6" : "ipv4");
    }
    return true;
  }

  #addName(member: string): void {
    const [name = "", port] = member
      .toLowerCase()
      .replace(/^\*?\./, "")
      .split(":");
    if (name !== "") this.#names.push({ suffix: name, port: port === undefined ? undefined : Number(port) });
  }
}
