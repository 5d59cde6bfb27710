import { handoutPath, TRUSTSTORE_PASSWORD } from "../core/handout.ts";
import { type ProxyAddress, proxyVariables, trustVariables, type Variables } from "./environment.ts";

/** What clients read that honour no variable for PEM roots, but one that names a file of settings. */
export const SETTINGS_VARIABLES: Variables = {
  APT_CONFIG: handoutPath("aptConf"),
  // Debian's wget honours no variable for its roots; this one names a file in place of /etc/wgetrc.
  SYSTEM_WGETRC: handoutPath("wgetrc"),
};

/** What a container is told: the way out, and where in `/dev/larder` each of its clients finds roots to trust. */
export function containerVariables(address: ProxyAddress): Variables {
  const proxies = proxyVariables(address);
  return {
    ...proxies,
    ...trustVariables({ bundleFile: handoutPath("bundle"), caFile: handoutPath("ca") }),
    ...SETTINGS_VARIABLES,
    JAVA_TOOL_OPTIONS: javaOptions(address.proxyUrl, proxies["no_proxy"] ?? ""),
  };
}

/**
 * A JVM reads neither the proxy variables nor PEM, but this variable: JVM Tool Interface, "The JAVA_TOOL_OPTIONS
 * Environment Variable". Every JVM says on stderr that it has read it.
 */
function javaOptions(proxyUrl: string, noProxy: string): string {
  const { hostname, port } = new URL(proxyUrl);
  const properties = {
    "http.proxyHost": hostname,
    "http.proxyPort": port,
    "https.proxyHost": hostname,
    "https.proxyPort": port,
    "http.nonProxyHosts": noProxy.split(",").map(javaPattern).join("|"),
    "javax.net.ssl.trustStore": handoutPath("truststore"),
    "javax.net.ssl.trustStoreType": "PKCS12",
    "javax.net.ssl.trustStorePassword": TRUSTSTORE_PASSWORD,
  };
  return Object.entries(properties)
    .map(([name, value]) => `-D${name}=${value}`)
    .join(" ");
}

/** One entry of `no_proxy` as Java has it: `*` at an end, brackets around IPv6 (java.net, "Networking Properties"). */
function javaPattern(entry: string): string {
  if (entry.startsWith(".")) return `*${entry}`;
  return entry.includes(":") && !entry.startsWith("[") ? `[${entry}]` : entry;
}
