import http from "node:http";
import { isIP } from "node:net";
import { systemCode } from "../core/errors.ts";
import { formatAuthority, type HostPort } from "../core/target.ts";

/** What answered at an address. */
export interface CacheFacts {
  /** Whether it is larder, which is a proxy for everything, or some cache of Nix alone. */
  readonly isLarder: boolean;
  /** Where it serves a binary cache of Nix, with a `/` at the end; `undefined` when it serves none. */
  readonly nixPath: string | undefined;
}

/** What larder's own pages say in their Server field, by which it is known from whatever else listens on a port. */
const LARDER_SERVER = /^larder\b/;
const NIX_STORE_DIR = /^StoreDir:\s*\/nix\/store\s*$/m;
const MAX_PAGE_BYTES = 64 * 1024;

/**
 * Asks whether a cache is at an address, and which: an open port is not enough.
 * @param address an IP literal: no name is looked up here
 * @throws Error with a sentence for a person.
 */
export async function probe(address: HostPort, signal: AbortSignal): Promise<CacheFacts> {
  const health = await fetchPage(address, "/healthz", signal);
  const isLarder = health.status === 200 && LARDER_SERVER.test(health.server);
  const path = isLarder ? "/nix/" : "/";
  const info = await fetchPage(address, `${path}nix-cache-info`, signal);
  const isNix = info.status === 200 && NIX_STORE_DIR.test(info.text);
  if (!isLarder && !isNix) throw new Error("answers, but is no cache");
  return { isLarder, nixPath: isNix ? path : undefined };
}

interface Page {
  readonly status: number;
  readonly server: string;
  readonly text: string;
}

function fetchPage({ host, port }: HostPort, path: string, signal: AbortSignal): Promise<Page> {
  if (isIP(host) === 0) throw new Error(`${host} is a name; look it up first`);
  return new Promise((resolve, reject) => {
    const headers = { Host: formatAuthority({ host, port }) };
    const request = http.get({ host, port, path, headers, signal, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > MAX_PAGE_BYTES) response.destroy(new Error("answers without end"));
      });
      response.once("error", reject);
      response.once("end", () =>
        resolve({ status: response.statusCode ?? 0, server: String(response.headers.server ?? ""), text }),
      );
    });
    request.once("error", (error) => reject(signal.aborted ? new Error("does not answer in time") : asVerdict(error)));
  });
}

/**
 * What is wrong in words about the place; what the system says (`connect ECONNREFUSED 192.0.2.1:3142`) stays as it is.
 */
function asVerdict(error: Error): Error {
  const code = systemCode(error) ?? "";
  if (code.startsWith("HPE_")) return new Error("answers, but speaks no HTTP");
  return code === "ECONNRESET" ? new Error("ends the connection without an answer") : error;
}
