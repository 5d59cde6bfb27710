import type { Environment } from "../settings/directories.ts";
import { isOnPath } from "./on-path.ts";

/** util-linux's setpriv(1) has the kernel end a command when its parent dies, however that dies: PR_SET_PDEATHSIG. */
const SETPRIV = "setpriv";

/** The same command, ended even when larder is killed; as it is where there is no setpriv, or nothing to start. */
export function endingWithUs(command: readonly string[], env: Environment): readonly string[] {
  const [program = ""] = command;
  const canEnd = isOnPath(SETPRIV, env) && isOnPath(program, env);
  return canEnd ? [SETPRIV, "--pdeathsig", "TERM", "--", ...command] : command;
}
