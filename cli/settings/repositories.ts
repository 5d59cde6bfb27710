import { LarderError } from "../../core/errors.ts";
import { ECOSYSTEM_NAMES } from "../../ecosystems/ecosystem.ts";
import { canonicalBase } from "../../ecosystems/repository-path.ts";
import type { ConfiguredRepository } from "../../learn/tasks.ts";
import { isTable, refuseUnknownKeys, type TomlTable } from "./toml-table.ts";

/** The table of `larder.toml` that names bases which are one repository: `[[repository]]`, as often as wanted. */
export const REPOSITORY_KEY = "repository";
const KEYS = ["ecosystem", "bases"] as const;

/**
 * Reads the `[[repository]]` tables of the file.
 * @param tables what the file has under {@link REPOSITORY_KEY}; `undefined` when it has none
 * @throws LarderError `CONFIG_BAD_VALUE` or `CONFIG_UNKNOWN_KEY`, naming the table and the file
 */
export function readRepositories(tables: unknown, fileName: string): readonly ConfiguredRepository[] {
  if (tables === undefined) return [];
  if (!Array.isArray(tables) || !tables.every(isTable))
    throw badValue(`${REPOSITORY_KEY} (in ${fileName})`, tables, "tables that begin with [[repository]]");
  return tables.map((table, at) => readRepository(table, { ordinal: at + 1, fileName }));
}

interface Place {
  /** From 1. */
  readonly ordinal: number;
  readonly fileName: string;
}

function readRepository(table: TomlTable, place: Place): ConfiguredRepository {
  refuseUnknownKeys(table, KEYS, { name: `${REPOSITORY_KEY} ${place.ordinal}`, fileName: place.fileName });
  const { ecosystem, bases } = table;
  const known = ECOSYSTEM_NAMES.find((name) => name === ecosystem);
  if (known === undefined) throw badValue(nameOf("ecosystem", place), ecosystem, ECOSYSTEM_NAMES.join(", "));
  if (!Array.isArray(bases) || bases.length < 2)
    throw badValue(nameOf("bases", place), bases, "two or more URLs of the same repository");
  const canonical = bases.map((base) => readBase(base, place));
  return { name: `${REPOSITORY_KEY} ${place.ordinal}`, ecosystem: known, bases: [...new Set(canonical)] };
}

function readBase(written: unknown, place: Place): string {
  const base = typeof written === "string" ? canonicalBase(written.trim()) : undefined;
  if (base !== undefined) return base;
  throw badValue(
    nameOf("bases", place),
    written,
    "http or https URLs of the folder that paths in the metadata are relative to, such as https://deb.debian.org/debian/",
  );
}

function badValue(name: string, value: unknown, allowed: string): LarderError {
  return new LarderError("CONFIG_BAD_VALUE", `${name} is ${JSON.stringify(value) ?? "missing"}; allowed: ${allowed}`, {
    details: { value },
  });
}

function nameOf(key: (typeof KEYS)[number], { ordinal, fileName }: Place): string {
  return `${key} of repository ${ordinal} (in ${fileName})`;
}
