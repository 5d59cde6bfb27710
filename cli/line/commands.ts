import type { CommandSpec } from "./command-spec.ts";
import { CLIENT_COMMANDS } from "./table/clients.ts";
import { IMAGE_COMMANDS } from "./table/image.ts";
import { ACCESS_COMMANDS } from "./table/keys.ts";
import { PROXY_COMMANDS } from "./table/proxy.ts";
import { STORE_COMMANDS } from "./table/store.ts";

/** The commands of larder, in the order of `--help`. */
export const COMMANDS: readonly CommandSpec[] = [
  ...PROXY_COMMANDS,
  ...CLIENT_COMMANDS,
  ...STORE_COMMANDS,
  ...ACCESS_COMMANDS,
  ...IMAGE_COMMANDS,
];
