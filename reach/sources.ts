import type { HostPort } from "../core/target.ts";
import type { LocalLink } from "./local-link/questions.ts";
import type { Names } from "./names.ts";
import { readOverride } from "./override.ts";
import { parsePlaces, USUAL_PORT } from "./place.ts";
import { readTextOrNothing } from "./read-text.ts";
import type { Source } from "./resolve.ts";

/** What larder is called on the local link (RFC 6763). */
export const SERVICE_TYPE = "_larder._tcp.local";
/** Where QEMU's user networking shows a guest its host. */
const QEMU_HOST: HostPort = { host: "10.0.2.2", port: USUAL_PORT };

export interface SourceOptions {
  /** Of the cache, without a domain: asked for by DNS, and with `.local` on the local link. */
  readonly name: string;
  readonly overrideFile: string;
  /** What an environment variable names; `undefined` when it is not set. */
  readonly environment: string | undefined;
  /** Of the kernel: `/proc/net/route`, `/proc/net/ipv6_route`. One that cannot be read names nothing. */
  readonly routeFiles: readonly string[];
  readonly lastKnown: LastKnown | undefined;
  readonly names: Names;
  readonly localLink: LocalLink;
}

/** What was found the last time. */
export interface LastKnown {
  readonly place: HostPort;
  readonly isTrusted: boolean;
}

/** Every way to find a cache, in the order in which they are believed. None of them scans a network. */
export function sourcesOf(options: SourceOptions): readonly Source[] {
  const { name, names, localLink, lastKnown } = options;
  const addressesOf = async (places: readonly HostPort[], signal: AbortSignal): Promise<readonly HostPort[]> => {
    const found = await Promise.all(
      places.map(async ({ host, port }) =>
        (await names.addressesOf(host, signal)).map(({ address }) => ({ host: address, port })),
      ),
    );
    return found.flat();
  };
  const usualPlaceOf = (host: string) => [{ host, port: USUAL_PORT }];
  return [
    {
      method: "override",
      isTrusted: true,
      find: async (signal) => addressesOf(await readOverride(options.overrideFile), signal),
    },
    {
      method: "environment",
      isTrusted: true,
      find: async (signal) => addressesOf(parsePlaces(options.environment ?? ""), signal),
    },
    { method: "dns", isTrusted: true, find: (signal) => addressesOf(usualPlaceOf(name), signal) },
    { method: "mdns", isTrusted: false, find: (signal) => addressesOf(usualPlaceOf(`${name}.local`), signal) },
    {
      method: "dns-sd",
      isTrusted: false,
      find: async (signal) => {
        const place = await localLink.serviceOf(SERVICE_TYPE, signal);
        return place === undefined ? [] : addressesOf([place], signal);
      },
    },
    {
      method: "neighbour",
      isTrusted: true,
      find: async () => {
        const routes = await Promise.all(options.routeFiles.map(readTextOrNothing));
        return [...routes.flatMap(gatewaysIn), QEMU_HOST];
      },
    },
    {
      method: "last-known",
      isTrusted: lastKnown?.isTrusted ?? false,
      find: async () => (lastKnown === undefined ? [] : [lastKnown.place]),
    },
  ];
}

/** The default gateways: of IPv4 as in proc_net_route(5), addresses in the byte order of the machine; else of IPv6. */
function gatewaysIn(routes: string): HostPort[] {
  return routes.split("\n").flatMap((line) => {
    const words = line.trim().split(/\s+/);
    const host = gatewayOfIpv4(words) ?? gatewayOfIpv6(words);
    return host === undefined ? [] : [{ host, port: USUAL_PORT }];
  });
}

function gatewayOfIpv4([, destination, gateway = ""]: readonly string[]): string | undefined {
  if (destination !== "00000000" || !/^[0-9A-F]{8}$/i.test(gateway) || /^0+$/.test(gateway)) return undefined;
  return [...Buffer.from(gateway, "hex")].reverse().join(".");
}

/** Not one of the link (`fe80::`): its address needs the name of an interface, for which a URL has no room. */
function gatewayOfIpv6([destination = "", prefix, , , gateway = ""]: readonly string[]): string | undefined {
  if (!/^0{32}$/.test(destination) || prefix !== "00" || !/^[0-9a-f]{32}$/.test(gateway)) return undefined;
  if (/^(fe80|0{32})/.test(gateway)) return undefined;
  return gateway.replace(/.{4}(?!$)/g, "$&:");
}
