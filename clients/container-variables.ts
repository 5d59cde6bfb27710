import { handoutPath } from "../core/handout.ts";
import { type ProxyAddress, proxyVariables, trustVariables, type Variables } from "./environment.ts";

/** What a container is told: the way out, and where in `/dev/larder` each of its clients finds roots to trust. */
export function containerVariables(address: ProxyAddress, truststorePassword: string): Variables {
  return {
    ...proxyVariables(address),
    ...trustVariables({ bundleFile: handoutPath("bundle"), caFile: handoutPath("ca") }),
    APT_CONFIG: handoutPath("aptConf"),
    // Debian's wget honours no variable for its roots; this one names a file in place of /etc/wgetrc.
    SYSTEM_WGETRC: handoutPath("wgetrc"),
    JAVA_TOOL_OPTIONS: javaOptions(address.proxyUrl, truststorePassword),
  };
}

/** A JVM reads neither the proxy variables nor PEM, but this variable: java(1), "Using the JDK_JAVA_OPTIONS …". */
function javaOptions(proxyUrl: string, truststorePassword: string): string {
  const { hostname, port } = new URL(proxyUrl);
  const properties = {
    "http.proxyHost": hostname,
    "http.proxyPort": port,
    "https.proxyHost": hostname,
    "https.proxyPort": port,
    "http.nonProxyHosts": "localhost|127.*|[::1]|host.containers.internal",
    "javax.net.ssl.trustStore": handoutPath("truststore"),
    "javax.net.ssl.trustStoreType": "PKCS12",
    "javax.net.ssl.trustStorePassword": truststorePassword,
  };
  return Object.entries(properties)
    .map(([name, value]) => `-D${name}=${value}`)
    .join(" ");
}
