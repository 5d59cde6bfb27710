import { LarderError } from "../core/errors.ts";
import { shellQuote } from "../core/shell.ts";

export interface AptAccess {
  readonly proxyUrl: string;
  /** PEM of all roots, readable by `_apt`, the user that apt downloads as. */
  readonly bundleFile: string;
}

/**
 * apt reads the file of `APT_CONFIG` first, so whatever stands in `apt.conf.d` wins over it; a program's own `Binary::`
 * section is applied after all files (apt.conf(5); seen with apt 2.6). Other programs of the family get the plain
 * settings.
 */
const SECTIONS: readonly string[] = ["", "Binary::apt::", "Binary::apt-get::"];
/** apt.conf has no escape for these inside quotes. */
const UNQUOTABLE = /["\n\\]/;

/**
 * The text of a file for `APT_CONFIG`: apt honours no variable for its CA, and a proxy that `apt.conf.d` names or
 * detects beats the proxy variables. Hosts that `no_proxy` or an `Acquire::http::Proxy::HOST` names keep their own way.
 * @throws LarderError `CONFIG_BAD_VALUE` when a value cannot be written in apt.conf.
 */
export function renderAptConf({ proxyUrl, bundleFile }: AptAccess): string {
  const settings: Readonly<Record<string, string>> = {
    "Acquire::http::Proxy": proxyUrl,
    "Acquire::http::Proxy-Auto-Detect": "",
    "Acquire::https::Proxy": proxyUrl,
    "Acquire::https::Proxy-Auto-Detect": "",
    "Acquire::https::CAInfo": bundleFile,
  };
  const lines = SECTIONS.flatMap((section) =>
    Object.entries(settings).map(([name, value]) => `${section}${name} "${quotable(value)}";`),
  );
  return ["// Written by larder.", ...lines, ""].join("\n");
}

/**
 * The text of a file for `apt.conf.d`: the proxy while it answers, the origins themselves while it does not.
 * @param detectFile where {@link renderAptProxyDetect} stands, executable by `_apt`
 * @throws LarderError `CONFIG_BAD_VALUE` when a value cannot be written in apt.conf.
 */
export function renderAptFragment(bundleFile: string, detectFile: string): string {
  return [
    "// Written by larder: a file for /etc/apt/apt.conf.d/. The script prints DIRECT while the proxy does not answer.",
    `Acquire::http::Proxy-Auto-Detect "${quotable(detectFile)}";`,
    `Acquire::https::Proxy-Auto-Detect "${quotable(detectFile)}";`,
    `Acquire::https::CAInfo "${quotable(bundleFile)}";`,
    "",
  ].join("\n");
}

/** The text of a file for `APT_CONFIG` where the proxy variables are set, as in a container: the roots alone. */
export function renderAptTrust(bundleFile: string): string {
  return `// Written by larder.\nAcquire::https::CAInfo "${quotable(bundleFile)}";\n`;
}

/**
 * The script of `Acquire::http::Proxy-Auto-Detect`: apt-transport-http(1). bash and timeout are on every Debian; curl
 * is not. It asks for a page of larder's own, because something else may have taken the port; as localhost, under which
 * that answers whatever name the client knows it by.
 */
export function renderAptProxyDetect(proxyUrl: string): string {
  return `#!/bin/bash\nproxy=${shellQuote(withPort(proxyUrl))}\n${APT_PROXY_DETECT}`;
}

/** What that script does once it knows `$proxy`, `http://HOST:PORT`. */
export const APT_PROXY_DETECT = `# Written by larder: prints its proxy for apt while it answers, else DIRECT.
authority=\${proxy#http://}
host=\${authority%:*}
host=\${host#[}
answers='exec 3<>"/dev/tcp/$0/$1" &&
  printf "HEAD /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n" >&3 &&
  read -r version status rest <&3 && [ "$status" = 200 ]'
if timeout 2 bash -c "$answers" "\${host%]}" "\${authority##*:}" 2>/dev/null; then
  echo "$proxy"
else
  echo DIRECT
fi
`;

/** The URL without what follows the port, which a parsed URL leaves out where it is 80. */
function withPort(url: string): string {
  const { hostname, port } = new URL(url);
  return `http://${hostname}:${port || "80"}`;
}

function quotable(value: string): string {
  if (!UNQUOTABLE.test(value)) return value;
  const message = `apt.conf cannot hold ${JSON.stringify(value)}; use a path without quotes and backslashes`;
  throw new LarderError("CONFIG_BAD_VALUE", message, { details: { value } });
}
