import http from "node:http";
import https from "node:https";
import net from "node:net";
import type { Duplex } from "node:stream";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort, parseHostPort, type Scheme } from "../../core/target.ts";
import type { ParentProxies, ProxySettings } from "../settings.ts";
import { originFault } from "./faults.ts";

/** A corporate proxy that stands before an origin. */
export interface ParentProxy extends HostPort {
  readonly scheme: Scheme;
  /** `scheme://authority`, as undici names an origin. */
  readonly origin: string;
  /** Value of Proxy-Authorization, when the proxy's URL holds credentials. */
  readonly authorization: string | undefined;
}

/** Which parent proxy, if any, a target is reached through: the rules of `http_proxy`, `https_proxy` and `no_proxy`. */
export class ParentTable {
  readonly #parents: Readonly<Record<Scheme, ParentProxy | undefined>>;
  readonly #direct: NoProxy;

  /** @throws LarderError `CONFIG_BAD_VALUE` when a proxy URL cannot be read. */
  constructor(settings: ParentProxies) {
    this.#parents = { http: readParent(settings.http), https: readParent(settings.https) };
    this.#direct = new NoProxy(settings.noProxy);
  }

  /** @param isSelf whether an address is this proxy: never a parent of its own. */
  find(scheme: Scheme, target: HostPort, isSelf: (parent: HostPort) => boolean): ParentProxy | undefined {
    const parent = this.#parents[scheme];
    if (parent === undefined || this.#direct.matches(target) || isSelf(parent)) return undefined;
    return parent;
  }
}

/** Names, `.suffixes`, `*`, addresses and CIDR blocks; a `:port` at the end of a name restricts it to that port. */
class NoProxy {
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

function readParent(text: string | undefined): ParentProxy | undefined {
  if (text === undefined || text === "") return undefined;
  const absolute = text.includes("://") ? text : `http://${text}`;
  const url = URL.canParse(absolute) ? new URL(absolute) : undefined;
  const scheme = url?.protocol.slice(0, -1);
  if (url === undefined || (scheme !== "http" && scheme !== "https")) {
    const shown = text.replace(/\/\/[^@/]*@/, "//…@");
    throw new LarderError("CONFIG_BAD_VALUE", `proxy ${shown}: write http://[user:password@]host:port`);
  }
  const { host, port } = parseHostPort(url.host);
  const at = { host, port: port ?? (scheme === "http" ? 80 : 443) };
  const user = `${decoded(url.username)}:${decoded(url.password)}`;
  const authorization = user === ":" ? undefined : `Basic ${Buffer.from(user).toString("base64")}`;
  return { scheme, ...at, origin: `${scheme}://${formatAuthority(at)}`, authorization };
}

/** A `%` that escapes nothing stands for itself: passwords have them. */
function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escaped) => Buffer.from(escaped.replaceAll("%", ""), "hex").toString());
}

/** Blind tunnels end by halves; node:http hands this on to the socket, though its types do not know it. */
const BY_HALVES = { allowHalfOpen: true };

/**
 * Asks a parent proxy for a tunnel (RFC 9110 §9.3.6).
 * @throws LarderError `PARENT_PROXY` when it refuses, or the `ORIGIN_…` code of reaching it.
 */
export function tunnelThrough(parent: ParentProxy, to: HostPort, settings: ProxySettings): Promise<net.Socket> {
  const timeoutMs = settings.connectTimeoutMs;
  const authority = formatAuthority(to);
  const headers = {
    host: authority,
    ...(parent.authorization === undefined ? {} : { "proxy-authorization": parent.authorization }),
  };
  const request = (parent.scheme === "https" ? https : http).request({
    host: parent.host,
    port: parent.port,
    method: "CONNECT",
    path: authority,
    headers,
    agent: false,
    ...BY_HALVES,
    ca: settings.originRoots,
    rejectUnauthorized: true,
  });
  return new Promise((resolve, reject) => {
    request.setTimeout(timeoutMs, () => {
      request.destroy(
        new LarderError("ORIGIN_CONNECT_TIMEOUT", `proxy ${parent.origin} opened no tunnel within ${timeoutMs} ms`),
      );
    });
    const refuse = (socket: Duplex, status: number): void => {
      socket.destroy();
      reject(new LarderError("PARENT_PROXY", `proxy ${parent.origin} answered ${status} to CONNECT ${authority}`));
    };
    request.once("error", (error) => reject(originFault(error, parent.origin)));
    request.once("connect", (response, socket, head) => {
      const { statusCode = 0 } = response;
      if (statusCode < 200 || statusCode > 299) return refuse(socket, statusCode);
      request.setTimeout(0);
      socket.setTimeout(0);
      if (head.length > 0) socket.unshift(head);
      resolve(socket as net.Socket);
    });
    request.end();
  });
}
