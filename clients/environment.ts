/** Environment variables by name. */
export type Variables = Readonly<Record<string, string>>;

export interface ProxyAddress {
  /** `http://host:port` of larder as the client reaches it; credentials and zone ids do not belong here. */
  readonly proxyUrl: string;
  /**
   * Names and addresses that the user wants reached directly, comma-separated; they are added to those that always are.
   */
  readonly noProxy?: string;
}

/** Files that a client can read; they have to be readable by whatever user it becomes (apt downloads as `_apt`). */
export interface TrustFiles {
  /** PEM of all roots: those of the system, then larder's CA. */
  readonly bundleFile: string;
  /** PEM of larder's CA alone. */
  readonly caFile: string;
}

interface TrustVariable {
  readonly name: string;
  /** `bundle` where the variable replaces a client's roots, `ca` where it adds to them. */
  readonly value: "bundle" | "ca";
  readonly reason: string;
}

/** What a client must not send to larder: its own machine, and the machine that runs its container. */
const ALWAYS_DIRECT: readonly string[] = ["localhost", "127.0.0.1", "::1", "host.containers.internal"];

/**
 * The knob of each client; apt, dnf, Java and Debian's wget honour none of them (see {@link renderAptConf} for apt).
 */
export const TRUST_VARIABLES: readonly TrustVariable[] = [
  {
    name: "SSL_CERT_FILE",
    value: "bundle",
    reason: "OpenSSL, Go, Python's ssl, curl, uv, Nix, skopeo; replaces all roots",
  },
  { name: "CURL_CA_BUNDLE", value: "bundle", reason: "curl, before SSL_CERT_FILE; Python requests, after its own" },
  { name: "REQUESTS_CA_BUNDLE", value: "bundle", reason: "Python requests, which ignores SSL_CERT_FILE" },
  { name: "PIP_CERT", value: "bundle", reason: "pip, before REQUESTS_CA_BUNDLE and before a cert= in pip.conf" },
  { name: "NIX_SSL_CERT_FILE", value: "bundle", reason: "Nix, before SSL_CERT_FILE; profiles on NixOS set it" },
  { name: "GIT_SSL_CAINFO", value: "bundle", reason: "git, before http.sslCAInfo" },
  { name: "CARGO_HTTP_CAINFO", value: "bundle", reason: "cargo's own name for http.cainfo" },
  { name: "AWS_CA_BUNDLE", value: "bundle", reason: "AWS command line and SDKs, which bring their own roots" },
  {
    name: "npm_config_cafile",
    value: "bundle",
    reason: "npm: a cafile in a user's npmrc would beat NODE_EXTRA_CA_CERTS",
  },
  { name: "NODE_EXTRA_CA_CERTS", value: "ca", reason: "Node adds it to the roots that it brings along" },
  { name: "DENO_CERT", value: "ca", reason: "Deno adds it to the roots that it brings along" },
];

/**
 * The variables that send a client through larder. Both cases: curl, apt, dnf and Nix ignore upper-case `HTTP_PROXY`,
 * others look there only. `NODE_USE_ENV_PROXY` makes Node's own `fetch` and `http` read them, from 22.21 and 24.5 on;
 * before, they ignore them all.
 */
export function proxyVariables({ proxyUrl, noProxy = "" }: ProxyAddress): Variables {
  const wanted = noProxy.split(",").map((name) => name.trim());
  const direct = [...new Set([...ALWAYS_DIRECT, ...wanted])].filter((name) => name !== "").join(",");
  return {
    http_proxy: proxyUrl,
    HTTP_PROXY: proxyUrl,
    https_proxy: proxyUrl,
    HTTPS_PROXY: proxyUrl,
    no_proxy: direct,
    NO_PROXY: direct,
    NODE_USE_ENV_PROXY: "1",
  };
}

/** The variables that make clients trust larder's CA, by {@link TRUST_VARIABLES}. */
export function trustVariables({ bundleFile, caFile }: TrustFiles): Variables {
  const pathOf = { bundle: bundleFile, ca: caFile };
  return Object.fromEntries(TRUST_VARIABLES.map(({ name, value }) => [name, pathOf[value]]));
}
