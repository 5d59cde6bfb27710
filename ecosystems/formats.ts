import { deb } from "./deb/deb.ts";
import { nix } from "./nix/nix.ts";
import { npm } from "./npm/npm.ts";
import type { PackageFormat } from "./package-format.ts";
import { pypi } from "./pypi/pypi.ts";
import { rpm } from "./rpm/rpm.ts";

/**
 * Every package format, asked in this order; the first that knows a URI wins. npm goes first because it looks at the
 * host: its packages may be called `Release` or `simple`. PyPI goes last because its extensions are the commonest.
 */
export const FORMATS: readonly PackageFormat[] = [npm, deb, rpm, nix, pypi];
