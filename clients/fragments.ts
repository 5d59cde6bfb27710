import { isIPv4 } from "node:net";
import { shellQuote } from "../core/shell.ts";
import { BASE_IMAGE } from "./base-image.ts";
import { proxyVariables, TRUST_VARIABLES, type TrustFiles, trustVariables, type Variables } from "./environment.ts";
import { oneLine } from "./one-line.ts";

/** The files of `env.d`, in the order a reader takes them. */
export const FRAGMENT_NAMES = { proxy: "10-proxy.env", ca: "20-ca.env", build: "30-build.env" } as const;

export interface EnvPage extends TrustFiles {
  /** `host:port` as the client reached larder. */
  readonly address: string;
  /** Of the CA, as `larder ca show` prints it. */
  readonly fingerprint256: string;
}

export interface Fragments extends TrustFiles {
  readonly proxyUrl: string;
  /** The image that builds start from, where one was given. */
  readonly baseImage: string | undefined;
}

/** The text of each fragment by its name. */
export function renderFragments({ proxyUrl, baseImage, ...trust }: Fragments): Readonly<Record<string, string>> {
  return {
    [FRAGMENT_NAMES.proxy]: renderEnvFragment(proxyVariables({ proxyUrl })),
    [FRAGMENT_NAMES.ca]: renderEnvFragment(trustVariables(trust)),
    ...(baseImage === undefined ? {} : { [FRAGMENT_NAMES.build]: renderEnvFragment({ [BASE_IMAGE]: baseImage }) }),
  };
}

/**
 * One `KEY=value` a line, after a comment that says where it came from. `set -a; . FILE` in a POSIX shell reads back
 * every value; those that need it stand in single quotes.
 * @throws LarderError `CONFIG_BAD_VALUE` for a value that does not fit on a line.
 */
export function renderEnvFragment(variables: Variables): string {
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${shellQuote(oneLine(value))}`);
  return ["# Written by larder; it is replaced while larder runs.", ...lines, ""].join("\n");
}

/**
 * The text of `/env` for a client that reached larder at that address. On this machine it is both fragments. Elsewhere
 * the files of the second do not exist, and variables that name a missing file break every TLS connection: there it
 * tells how to make one.
 */
export function renderEnvPage({ address, fingerprint256, ...trust }: EnvPage): string {
  const proxyUrl = `http://${address}`;
  if (isLoopback(address))
    return renderEnvFragment(proxyVariables({ proxyUrl })) + renderEnvFragment(trustVariables(trust));
  const noProxy = new URL(proxyUrl).hostname.replace(/^\[|\]$/g, "");
  return renderEnvFragment(proxyVariables({ proxyUrl, noProxy })) + tellHowToTrust(proxyUrl, fingerprint256);
}

function tellHowToTrust(proxyUrl: string, fingerprint256: string): string {
  const names = (value: "bundle" | "ca") => TRUST_VARIABLES.filter((row) => row.value === value).map((row) => row.name);
  return [
    "# https needs larder's CA as well. A program does it all, once you have compared the fingerprint with what `larder ca show`",
    "# prints on that machine:",
    `#   curl -fsS --noproxy '*' -o larder-guest ${proxyUrl}/guest.sh`,
    `#   eval "$(sh larder-guest --proxy ${proxyUrl} --ca-sha256 ${fingerprint256})"`,
    "# By hand: fetch it, compare its fingerprint, and join it to the roots of this machine:",
    `#   curl -fsS --noproxy '*' -o larder-ca.pem ${proxyUrl}/ca.pem`,
    "#   openssl x509 -in larder-ca.pem -noout -fingerprint -sha256",
    `#   sha256 Fingerprint=${fingerprint256}`,
    "#   cat /etc/ssl/certs/ca-certificates.crt larder-ca.pem > larder-bundle.pem",
    `# Then name larder-bundle.pem, with its full path, in ${names("bundle").join(" ")}`,
    `# and larder-ca.pem in ${names("ca").join(" ")}.`,
    "",
  ].join("\n");
}

function isLoopback(address: string): boolean {
  const host = address.replace(/:\d+$/, "");
  return host === "localhost" || host === "[::1]" || (isIPv4(host) && host.startsWith("127."));
}
