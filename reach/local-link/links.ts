import { createSocket } from "node:dgram";
import type { LookupAddress } from "node:dns";
import { BlockList } from "node:net";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import multicastDns, { type MulticastDNS, type QueryPacket, type ResponsePacket } from "multicast-dns";

export type Question = NonNullable<QueryPacket["questions"]>[number];
export type Answer = NonNullable<ResponsePacket["answers"]>[number];

/** A question for whatever there is of a name (RFC 1035 §3.2.3); the types of dns-packet know types of records only. */
export const ANY = "ANY" as string as Question["type"];

/** A network that this machine is on: what is said there does not leave it (RFC 6762). */
export interface Link {
  /** This machine's own addresses there; none of a scope (`fe80::`), for which a URL has no room. */
  readonly addresses: readonly LookupAddress[];
  /** Opens a socket there; it must be destroyed. */
  open(): MulticastDNS;
  /** Whether a datagram from there came by this link: sockets of one machine hear what any of its links carries. */
  carries(address: string): boolean;
}

/** Every link but loopback, once for IPv4 and once for IPv6. */
export function linksOf(interfaces = networkInterfaces()): readonly Link[] {
  return Object.entries(interfaces).flatMap(([name, infos = []]) => {
    const outward = infos.filter(({ internal }) => !internal);
    const addresses = outward
      .filter(({ address }) => !isOfLink(address))
      .map(({ address, family }) => ({ address, family: family === "IPv4" ? 4 : 6 }));
    const ipv4 = outward.find(({ family }) => family === "IPv4");
    const ipv6 = outward.find(({ family, address }) => family === "IPv6" && isOfLink(address));
    return [
      ...(ipv4 === undefined ? [] : [linkByIpv4(ipv4, outward, addresses)]),
      ...(ipv6 === undefined ? [] : [linkByIpv6(name, addresses)]),
    ];
  });
}

const isOfLink = (address: string): boolean => address.startsWith("fe80:");

function linkByIpv4(
  { address }: NetworkInterfaceInfo,
  infos: readonly NetworkInterfaceInfo[],
  addresses: readonly LookupAddress[],
): Link {
  const near = new BlockList();
  for (const { family, cidr } of infos) {
    const [network, prefix] = cidr?.split("/") ?? [];
    if (family === "IPv4" && network !== undefined) near.addSubnet(network, Number(prefix), "ipv4");
  }
  return {
    addresses,
    open: () => multicastDns({ reuseAddr: true, interface: address, bind: "0.0.0.0" }),
    carries: (from) => near.check(from, "ipv4"),
  };
}

function linkByIpv6(name: string, addresses: readonly LookupAddress[]): Link {
  return {
    addresses,
    open: () => {
      const socket = createSocket({ type: "udp6", reuseAddr: true, ipv6Only: true });
      return multicastDns({ type: "udp6", ip: "ff02::fb", interface: `::%${name}`, bind: "::", socket });
    },
    carries: (from) => from.endsWith(`%${name}`),
  };
}
