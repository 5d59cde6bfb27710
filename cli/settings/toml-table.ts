import { LarderError } from "../../core/errors.ts";
import { nearestOf } from "./nearest.ts";

/** A table of `larder.toml` that has not been read yet. */
export type TomlTable = Readonly<Record<string, unknown>>;

export function isTable(value: unknown): value is TomlTable {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** @throws LarderError `CONFIG_UNKNOWN_KEY` for a key that such a table does not have. */
export function refuseUnknownKeys(
  table: TomlTable,
  keys: readonly string[],
  { name, fileName }: { readonly name: string; readonly fileName: string },
): void {
  const unknown = Object.keys(table).find((key) => !keys.includes(key));
  if (unknown === undefined) return;
  const nearest = nearestOf(unknown, keys);
  const cure = nearest === undefined ? `it may have ${keys.join(", ")}` : `did you mean ${nearest}?`;
  throw new LarderError("CONFIG_UNKNOWN_KEY", `unknown key ${unknown} in ${name} of ${fileName}; ${cure}`, {
    details: { key: unknown, fileName },
  });
}
