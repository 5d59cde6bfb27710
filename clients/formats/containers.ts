import { LarderError } from "../../core/errors.ts";
import { HANDOUT_PATH } from "../../core/handout.ts";
import type { Audience, ClientAccess } from "../audience.ts";
import { SETTINGS_VARIABLES } from "../container-variables.ts";
import { oneLine } from "../one-line.ts";

export interface Mounting {
  readonly engine: "podman" | "docker";
  readonly audience: Audience;
  /** The folder of trust files on this machine. */
  readonly trustDir: string;
}

/** What has to be said beside variables and the mount. */
const ENGINE_ARGUMENTS: Readonly<Record<Mounting["engine"], readonly string[]>> = {
  // Means nothing to `run`, and `build` does not know it: there each --env would stay in the image.
  podman: ["--env-host=false"],
  docker: ["--add-host=host.docker.internal:host-gateway"],
};

/**
 * Arguments of an engine's `run` and `create`, one a line: variables, and the folder of trust files mounted below
 * `/dev`, where no layer keeps the place. Told for this machine itself (`--for host`), they put the container on its
 * network.
 * @param access as the container has it, with trust files in {@link HANDOUT_PATH}
 * @throws LarderError `CONFIG_BAD_VALUE` when `--volume` cannot name the folder.
 */
export function renderContainerArguments(
  { variables }: ClientAccess,
  { engine, audience, trustDir }: Mounting,
): string {
  if (trustDir.includes(":")) {
    throw new LarderError("CONFIG_BAD_VALUE", `--volume cannot name ${trustDir}; use a --root without a colon`);
  }
  const network = audience.kind === "host" ? ["--network=host"] : [];
  // z: containers may read it where SELinux is on; without SELinux it means nothing.
  const mount = `--volume=${trustDir}:${HANDOUT_PATH}:ro,z`;
  const environment = { ...variables, ...SETTINGS_VARIABLES };
  const options = Object.entries(environment).map(([name, value]) => `--env=${name}=${value}`);
  const all = [...ENGINE_ARGUMENTS[engine], ...network, mount, ...options];
  return all.map((argument) => `${oneLine(argument)}\n`).join("");
}
