import type { FieldRecord } from "../core/fields.ts";
import type { TargetUri } from "../core/target.ts";
import { deb } from "./deb/deb.ts";
import type { Classification, Ecosystem } from "./ecosystem.ts";
import { nix } from "./nix/nix.ts";
import { npm } from "./npm/npm.ts";
import { pypi } from "./pypi/pypi.ts";
import { rpm } from "./rpm/rpm.ts";

/** What no ecosystem knows: served as RFC 9111 has it. */
export const OTHER: Classification = { class: "other", ecosystem: undefined, coding: "asked" };

/**
 * Every package format, asked in this order; the first that knows the URI wins. npm goes first because it looks at the
 * host: its packages may be called `Release` or `simple`. PyPI goes last because its extensions are the commonest.
 */
const ECOSYSTEMS: readonly Ecosystem[] = [npm, deb, rpm, nix, pypi];

/**
 * Says what a URI names, by its shape alone. It may be wrong about a URI that only looks like a package: what it says
 * decides how long larder keeps an answer and how it asks for it, never whether the answer is right.
 * @param request its fields: formats without paths of their own are told apart by what is asked for.
 */
export function classify(target: TargetUri, request: FieldRecord = {}): Classification {
  for (const ecosystem of ECOSYSTEMS) {
    const classification = ecosystem.classify(target, request);
    if (classification !== undefined) return classification;
  }
  return OTHER;
}
