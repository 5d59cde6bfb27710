import { LarderError } from "../core/errors.ts";

export interface AptAccess {
  readonly proxyUrl: string;
  /** PEM of all roots, readable by `_apt`, the user that apt downloads as. */
  readonly bundleFile: string;
}

/**
 * apt reads the file of `APT_CONFIG` first, so whatever stands in `apt.conf.d` wins over it; a program's own `Binary::`
 * section is applied after all files (apt.conf(5); seen with apt 2.6). Other programs of the family get the plain settings.
 */
const SECTIONS: readonly string[] = ["", "Binary::apt::", "Binary::apt-get::"];
/** apt.conf has no escape for these inside quotes. */
const UNQUOTABLE = /["\n\\]/;

/**
 * The text of a file for `APT_CONFIG`: apt honours no variable for its CA, and a proxy that `apt.conf.d` names or detects
 * beats the proxy variables. Hosts that `no_proxy` or an `Acquire::http::Proxy::HOST` names keep their own way.
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

function quotable(value: string): string {
  if (!UNQUOTABLE.test(value)) return value;
  const message = `apt.conf cannot hold ${JSON.stringify(value)}; use a path without quotes and backslashes`;
  throw new LarderError("CONFIG_BAD_VALUE", message, { details: { value } });
}
