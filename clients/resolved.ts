import { proxyVariables } from "./environment.ts";

/** Where the cache is now, as clients are told. */
export interface ResolvedCache {
  /** The URL of its binary cache of Nix, with a `/` at the end; `undefined` when it serves none. */
  readonly nixUrl: string | undefined;
  /** `http://host:port`; `undefined` when it is no proxy, or not one to be believed. */
  readonly proxyUrl: string | undefined;
}

/** The public caches that are always there to fall back on. */
const PUBLIC_NIX_CACHES: readonly string[] = ["https://cache.nixos.org/"];

/**
 * A piece of nix.conf, to be included last: `!include`, for `extra-substituters` adds only to what came before. What is signed stays
 * checked: nothing here trusts anybody. A cache that is away costs two short tries, not the five that Nix makes by itself (4.9 s); what it lacks is asked for again after a minute, not an hour.
 */
export function renderNixConf(cache: ResolvedCache | undefined): string {
  const substituters = [...(cache?.nixUrl === undefined ? [] : [cache.nixUrl]), ...PUBLIC_NIX_CACHES];
  return [
    "# written by larder resolve; changes are lost",
    `extra-substituters = ${substituters.join(" ")}`,
    "connect-timeout = 2",
    "download-attempts = 2",
    "narinfo-cache-negative-ttl = 60",
    "",
  ].join("\n");
}

/** `KEY=value` lines for systemd's EnvironmentFile and shells; only a remark where there is no proxy. */
export function renderProxyEnv(cache: ResolvedCache | undefined): string {
  const head = "# written by larder resolve; changes are lost\n";
  if (cache?.proxyUrl === undefined) return head;
  const lines = Object.entries(proxyVariables({ proxyUrl: cache.proxyUrl })).map(
    ([name, value]) => `${name}=${value}\n`,
  );
  return head + lines.join("");
}
