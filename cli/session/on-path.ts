import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Environment } from "../settings/directories.ts";

/** Whether a shell would find the program: by PATH, or where it stands if its name holds a slash. */
export function isOnPath(program: string, env: Environment): boolean {
  if (program.includes("/")) return isExecutable(program);
  return (env["PATH"] ?? "").split(delimiter).some((folder) => isExecutable(join(folder, program)));
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
