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
 * A piece of nix.conf, to be included last: `!include`, for `extra-substituters` adds only to what came before. What is
 * signed stays checked: nothing here trusts anybody. A cache that is away costs two short tries, not the five that Nix
 * makes by itself (4.9 s), one that says nothing any more is left after fifteen seconds, not five minutes; what it
 * lacks is asked for again after a minute, not an hour.
 * `fallback`: where something else answers at the address by now, Nix 2.8 ends with "NAR info file is corrupt" without it.
 */
export function renderNixConf(cache: ResolvedCache | undefined): string {
  const found = cache?.nixUrl === undefined ? [] : [cache.nixUrl];
  return [
    "# written by larder resolve; changes are lost",
    `extra-substituters = ${[...found, ...PUBLIC_NIX_CACHES].join(" ")}`,
    ...found.map(() => "fallback = true"),
    "connect-timeout = 2",
    "stalled-download-timeout = 15",
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
