import type { Environment } from "../settings/directories.ts";

/** What surrounds the process; handed in so that tests can change it. */
export interface Surroundings {
  readonly env: Environment;
  readonly workingDir: string;
}

/** One call of a command. */
export interface Invocation extends Surroundings {
  /** Options by camelCase name, unparsed. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly operands: readonly string[];
}

/** Carries a command out. @returns the exit code of the process */
export type CommandRun = (invocation: Invocation) => Promise<number>;
