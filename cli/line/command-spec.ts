import type { SettingKey } from "../settings/settings.ts";
import type { CommandRun } from "./invocation.ts";

interface CommandFacts {
  /** Name and operands, as commander writes them. */
  readonly usage: string;
  readonly summary: string;
  readonly description?: string;
}

interface LeafSpec extends CommandFacts {
  readonly settings: readonly SettingKey[];
  readonly options: readonly (readonly [flags: string, help: string])[];
  /** Options after the first operand belong to the command that is run, not to larder. */
  readonly passesOptionsOn?: boolean;
  readonly examples: readonly (readonly [line: string, why: string])[];
  /** Loads the code of this command only: `larder --help` and `larder proxy-env` must not wait for the proxy's. */
  readonly load: () => Promise<CommandRun>;
}

export type CommandSpec = LeafSpec | (CommandFacts & { readonly commands: readonly CommandSpec[] });

export const JSON_OPTION = ["--json", "print JSON, for programs"] as const;

/** How a QEMU guest gets to larder. */
export const VM_OPTIONS = [
  [
    "--isolated",
    "let the guest reach packages only: restrict=on, and a listener without tunnels and private addresses",
  ],
  ["--cloud-init <path>", "write a NoCloud seed into this folder, and give it to the guest as a disk"],
] as const;

export const CA_KEYS = ["config", "caCert", "caKey"] as const satisfies readonly SettingKey[];
