import type { SettingRow } from "./row.ts";
import { ACCESS } from "./table/access.ts";
import { PATIENCE } from "./table/patience.ts";
import { PLACES } from "./table/places.ts";
import { STORE } from "./table/store.ts";
import { INTERCEPTION } from "./table/tls.ts";
import { BELIEF } from "./table/trust.ts";

/**
 * Everything about larder that its user may set. The key is the name in `larder.toml`; the flag is `--` and the key in
 * kebab-case, the variable `LARDER_` and the key in upper snake case. Flags go over environment over file over
 * fallback.
 */
export const SETTINGS = {
  ...PLACES,
  ...ACCESS,
  ...INTERCEPTION,
  ...BELIEF,
  ...STORE,
  ...PATIENCE,
} as const satisfies Readonly<Record<string, SettingRow>>;

export type SettingKey = keyof typeof SETTINGS;

export const SETTING_KEYS = Object.keys(SETTINGS) as readonly SettingKey[];

/** What says where the store is: every command takes these. */
export const PLACE_KEYS = ["config", "root", "state"] as const satisfies readonly SettingKey[];

export const VARIABLE_PREFIX = "LARDER_";

/** `--max-bytes` of `maxBytes`. */
export function flagOf(key: string): string {
  return `--${words(key).join("-")}`;
}

/** `LARDER_MAX_BYTES` of `maxBytes`. */
export function variableOf(key: string): string {
  return `${VARIABLE_PREFIX}${words(key).join("_").toUpperCase()}`;
}

function words(key: string): string[] {
  return key.replace(/[A-Z]/g, (capital) => ` ${capital.toLowerCase()}`).split(" ");
}
