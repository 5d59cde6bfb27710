import type { Facts } from "../facts.ts";
import { canonicalBase, canonicalPathOfText } from "../repository-path.ts";
import type { XmlAttributes } from "../xml.ts";

/** Where a `<location>` points: a path in the repository, or below another base. */
export interface Location {
  readonly path: string;
  readonly base: string | undefined;
}

/**
 * Reads a `<location href xml:base>`: the href is a raw file name below the repository, or below `xml:base` where there
 * is one (tried on dnf 4.14).
 * @param base the repository's base. @returns `undefined` when it leaves its base or names none that can be asked.
 */
export function readLocation(attributes: XmlAttributes, base: string): Location | undefined {
  const path = canonicalPathOfText(attributes["href"] ?? "");
  const written = attributes["xml:base"];
  if (path === undefined) return undefined;
  if (written === undefined) return { path, base: undefined };
  const elsewhere = canonicalBase(written);
  if (elsewhere === undefined) return undefined;
  if (elsewhere.startsWith(base)) return { path: elsewhere.slice(base.length) + path, base: undefined };
  return { path, base: elsewhere };
}

/** Notes a location; a second one that differs is a contradiction. */
export function setLocation(facts: Facts, location: Location | undefined): void {
  facts.set("location", location === undefined ? "" : `${location.base ?? ""} ${location.path}`);
}

/** @returns `undefined` when none was noted, or none that can be believed. */
export function locationIn(facts: Facts): Location | undefined {
  const [base, path] = facts.get("location")?.split(" ") ?? [];
  return path === undefined ? undefined : { path, base: base === "" ? undefined : base };
}
