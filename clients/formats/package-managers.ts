import { LarderError } from "../../core/errors.ts";
import type { ClientAccess } from "../audience.ts";
import { oneLine } from "../one-line.ts";

/**
 * The `[main]` section of dnf 4 and of dnf 5, which name these two alike. dnf 4 reads no folder of drop-ins.
 * @see dnf.conf(5), dnf5.conf(5)
 */
export function renderDnf({ proxyUrl, bundleFile }: ClientAccess): string {
  return [
    "# Written by larder. dnf5: a file such as /etc/dnf/libdnf5.conf.d/90-larder.conf.",
    "# dnf4 has no such folder: put the lines below [main] of /etc/dnf/dnf.conf.",
    "[main]",
    `proxy=${proxyUrl}`,
    `sslcacert=${oneLine(bundleFile)}`,
    "",
  ].join("\n");
}

/** A `pip.conf`: https://pip.pypa.io/en/stable/topics/configuration/ */
export function renderPip({ proxyUrl, bundleFile }: ClientAccess): string {
  const head = "# Written by larder: a pip.conf, such as /etc/pip.conf or the file of PIP_CONFIG_FILE.";
  return [head, "[global]", `proxy = ${proxyUrl}`, `cert = ${oneLine(bundleFile)}`, ""].join("\n");
}

/** An `npmrc`. A quoted value is JSON; npm then fills in `${NAME}` unless a backslash stands before it. */
export function renderNpm({ proxyUrl, noProxy, bundleFile }: ClientAccess): string {
  const quoted = JSON.stringify(oneLine(bundleFile).replaceAll("${", "\\${"));
  return [
    "# Written by larder: lines for an npmrc, such as ~/.npmrc.",
    `proxy=${proxyUrl}`,
    `https-proxy=${proxyUrl}`,
    `noproxy=${oneLine(noProxy)}`,
    `cafile=${quoted}`,
    "",
  ].join("\n");
}

/** nix.conf joins words by one space, and `#` ends a line. */
const NOT_IN_NIX_CONF = /#|\s\s|[^\S ]/;

/**
 * Lines for `nix.conf`. It has no setting for a proxy, and older ones have none for roots.
 * @throws LarderError `CONFIG_BAD_VALUE` for a path that nix.conf cannot hold.
 */
export function renderNix({ bundleFile }: ClientAccess): string {
  if (NOT_IN_NIX_CONF.test(bundleFile)) {
    const message = `nix.conf cannot hold ${JSON.stringify(bundleFile)}; use a --root without # and double spaces`;
    throw new LarderError("CONFIG_BAD_VALUE", message);
  }
  return [
    "# Written by larder: lines for nix.conf. Nix takes its proxy from the environment, the daemon from its own: give",
    "# nix-daemon.service what --format systemd prints. Nix before 2.15 does not know this setting, and reads NIX_SSL_CERT_FILE.",
    `ssl-cert-file = ${bundleFile}`,
    "",
  ].join("\n");
}

/** For programs: all of it, values unquoted. */
export function renderJson({ proxyUrl, noProxy, bundleFile, caFile, variables }: ClientAccess): string {
  return `${JSON.stringify({ proxyUrl, noProxy, bundleFile, caFile, variables }, undefined, 2)}\n`;
}
