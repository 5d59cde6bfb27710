import type { SettingRow } from "../row.ts";

/** Where larder keeps what it has, and how loudly it speaks. */
export const PLACES = {
  config: {
    kind: "path",
    isList: false,
    fallback: "$XDG_CONFIG_HOME/larder/larder.toml",
    help: "configuration file",
    reason: "one file per user; not needed at all",
  },
  root: {
    kind: "path",
    isList: false,
    fallback: "$XDG_CACHE_HOME/larder",
    help: "directory of the store; give a project its own with ./cache",
    reason: "one store shared by everything that a user builds keeps the most from crossing the network",
  },
  state: {
    kind: "path",
    isList: false,
    fallback: "$XDG_STATE_HOME/larder",
    help: "directory of the ledger",
    reason: "what builds took is worth keeping when the cache is thrown away",
  },
  baseImage: {
    kind: "image",
    isList: false,
    fallback: undefined,
    help: "image that builds and helpers start from, as BASE_IMAGE (the variable BASE_IMAGE sets it, too)",
    reason: "unset, a Containerfile's own ARG BASE_IMAGE holds",
    sharedVariable: "BASE_IMAGE",
  },
  logLevel: {
    kind: "logLevel",
    isList: false,
    fallback: "info",
    help: "debug, info, warn, error or silent",
    reason: "info is one line per exchange",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;
