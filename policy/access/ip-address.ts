import { BlockList, isIPv4, isIPv6 } from "node:net";
import { LarderError } from "../../core/errors.ts";

/**
 * Builds a list of networks from `address` or `address/prefix` texts.
 * @throws LarderError `CONFIG_BAD_VALUE` for a text that is neither.
 */
export function networkList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) addNetwork(list, network);
  return list;
}

function addNetwork(list: BlockList, network: string): void {
  const [address = "", prefixText, ...rest] = network.split("/");
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : 0;
  const isPrefix = prefixText === undefined || /^\d{1,3}$/.test(prefixText);
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  if (bits === 0 || !isPrefix || prefix > bits || rest.length > 0)
    throw new LarderError(
      "CONFIG_BAD_VALUE",
      `${JSON.stringify(network)} is no network: write an address or a CIDR block, as in 192.168.0.0/16 or fd00::/8`,
      { details: { network } },
    );
  list.addSubnet(address, prefix, bits === 32 ? "ipv4" : "ipv6");
}

export function isListed(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}

/**
 * Every address that a packet to this one may end at: the address itself, and the IPv4 addresses that an IPv6 one
 * carries for a translator or tunnel. Mapped addresses (`::ffff:127.0.0.1`) are given as the IPv4 address they are. A
 * zone id is dropped.
 */
export function destinationsOf(address: string): readonly string[] {
  const [plain = ""] = address.split("%", 1);
  if (!isIPv6(plain)) return [plain];
  const groups = groupsOf(plain);
  const prefix = groups.slice(0, 6).join(":");
  const last = ipv4Of(groups[6], groups[7]);
  if (prefix === "0:0:0:0:0:65535") return [last];
  return [plain, ...embedded(groups, prefix, last)];
}

/** Where transition mechanisms keep IPv4 addresses. */
function embedded(groups: readonly number[], prefix: string, last: string): string[] {
  const [first, second] = groups;
  // IPv4-compatible and IPv4-translated (RFC 4291 §2.5.5.1, RFC 2765 §2.1)
  if (prefix === "0:0:0:0:0:0") return [last];
  if (prefix === "0:0:0:0:65535:0") return [last];
  // NAT64 (RFC 6052 §2.1; RFC 8215 leaves the place of the address to the network, at the end by custom)
  if (first === 0x64 && second === 0xff9b) return [last];
  // 6to4 (RFC 3056 §2)
  if (first === 0x2002) return [ipv4Of(second, groups[2])];
  // Teredo: the server, and the client with its bits inverted (RFC 4380 §4)
  if (first === 0x2001 && second === 0) {
    return [ipv4Of(groups[2], groups[3]), ipv4Of(0xffff - (groups[6] ?? 0), 0xffff - (groups[7] ?? 0))];
  }
  // ISATAP (RFC 5214 §6.1)
  if (groups[5] === 0x5efe && ((groups[4] ?? 0) | 0x200) === 0x200) return [last];
  return [];
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    return `${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`;
  });
  const [head = "", tail] = hex.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}

function ipv4Of(high = 0, low = 0): string {
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
