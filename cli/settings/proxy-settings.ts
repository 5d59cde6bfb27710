import { isLoopback } from "../../core/target.ts";
import type { OriginAccess } from "../../policy/access/origin-access.ts";
import { DEFAULT_TUNNELS, type TunnelPatterns } from "../../policy/access/tunnels.ts";
import type { ParentProxies, ParentRule, ProxySettings } from "../../proxy/settings.ts";
import type { Settings } from "./config.ts";
import type { Environment } from "./directories.ts";

interface Instance {
  readonly originRoots: string;
  readonly originAccess: readonly OriginAccess[];
  readonly parentRules: readonly ParentRule[];
  readonly pseudonym: string;
}

/** What the proxy is to know of the configuration, and of the environment's own proxies. */
export function proxySettings(settings: Settings, env: Environment, instance: Instance): ProxySettings {
  const { parentRules, ...own } = instance;
  return {
    ...own,
    allowClients: settings.allow,
    trustedProxies: settings.trustedProxy,
    allowDestinations: settings.allowDestination,
    isLoopbackOnly: settings.listen.every(({ host }) => isLoopback(host)),
    ...tunnelPatterns(settings, instance.originAccess),
    serverNames: settings.serverName,
    patience: {
      headMs: settings.requestTimeout,
      idleMs: settings.keepAliveTimeout,
      stalledMs: settings.clientStallTimeout,
    },
    connectionsPerClient: settings.connectionsPerClient,
    connectTimeoutMs: settings.connectTimeout,
    headersTimeoutMs: settings.headersTimeout,
    bodyTimeoutMs: settings.bodyTimeout,
    tunnelIdleMs: settings.tunnelIdleTimeout,
    tunnelUntrustingMs: settings.tunnelUntrusting,
    rootFreshForMs: settings.rootFreshFor,
    targetedFields: settings.targetedField,
    minReleaseAgeMs: settings.minReleaseAge,
    minReleaseAgeAllow: settings.minReleaseAgeAllow,
    nixPublicKeys: settings.nixPublicKeys,
    nixUpstreams: settings.nixUpstream,
    fillsPerOrigin: settings.fillsPerOrigin,
    verifyRanges: settings.verifyRanges,
    rangeWaitBytes: settings.rangeWait,
    parentProxies: { ...readParentProxies(env), rules: parentRules },
  };
}

/**
 * The user's tunnels are added to the built-in ones; an `intercept` that is as exact or more takes one of those away.
 * So does a certificate for a host: without opening its tunnels there would be nobody to show it to.
 */
export function tunnelPatterns(
  { intercept, tunnel }: Pick<Settings, "intercept" | "tunnel">,
  originAccess: readonly OriginAccess[],
): TunnelPatterns {
  const certified = originAccess.filter(({ clientCertificate }) => clientCertificate !== undefined);
  const opened = [...intercept, ...certified.map(({ host }) => host)];
  const builtIn = DEFAULT_TUNNELS.filter((pattern) => !opened.includes(pattern));
  return { intercept: opened, tunnel: [...builtIn, ...tunnel] };
}

/**
 * The lower-case names first: upper-case HTTP_PROXY is ignored by most clients, because CGI gives it another meaning.
 */
function readParentProxies(env: Environment): Omit<ParentProxies, "rules"> {
  const read = (name: string) => env[name] || env[name.toUpperCase()] || undefined;
  return { http: read("http_proxy"), https: read("https_proxy"), noProxy: read("no_proxy") ?? "" };
}
