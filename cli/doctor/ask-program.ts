import { execFile } from "node:child_process";
import { systemCode } from "../../core/errors.ts";
import type { Environment } from "../settings/directories.ts";

/** Longer than any of these takes on a busy machine; one that hangs must not keep its user from the other findings. */
const PATIENCE_MS = 30_000;

export interface Said {
  /** `undefined` when a signal or the end of patience ended it. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. @returns `undefined` when there is no such program. */
export function askProgram(program: string, args: readonly string[], env: Environment): Promise<Said | undefined> {
  return new Promise((resolve) => {
    const options = { env, timeout: PATIENCE_MS, maxBuffer: 16 * 1024 * 1024 };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (systemCode(error) === "ENOENT") resolve(undefined);
      else resolve({ code: child.exitCode ?? undefined, stdout, stderr });
    });
    child.stdin?.end();
  });
}
