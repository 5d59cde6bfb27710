import { HANDOUT_PATH } from "../core/handout.ts";
import type { ContainerNetwork } from "./container-network.ts";
import type { Variables } from "./environment.ts";

export interface BuildAdditions {
  /** The program that stands before the OCI runtime. */
  readonly shimFile: string;
  /** Where the engine writes the image's id; `undefined` where the user named a file of their own. */
  readonly iidFile: string | undefined;
  /** What a build takes its packages from, beside the proxy. */
  readonly cacheMounts: readonly CacheMount[];
  /** `NAME=value` of build arguments. */
  readonly buildArguments: readonly string[];
  readonly network: ContainerNetwork;
  /** The port of the proxy on the machine's loopback. */
  readonly port: string;
}

/** A folder of the machine that builds see as an overlay: what they write or delete there is theirs alone. */
export interface CacheMount {
  readonly folder: string;
  readonly path: string;
  /**
   * Programs that make that folder themselves; an image with none of them, and without the folder, is left without it.
   */
  readonly owners: readonly string[];
}

/**
 * The arguments that a `podman build` or `buildah build` goes through larder by; none of them is written into the
 * image.
 */
export function buildArguments(additions: BuildAdditions): string[] {
  const { shimFile, iidFile, cacheMounts, network, port } = additions;
  return [
    `--runtime=${shimFile}`,
    ...(iidFile === undefined ? [] : [`--iidfile=${iidFile}`]),
    ...networkArguments(network, port),
    ...buildArgumentOptions(additions.buildArguments),
    ...cacheMounts.map(({ folder, path }) => `--volume=${folder}:${path}:O`),
  ];
}

/** @param given `NAME=value` each */
export function buildArgumentOptions(given: readonly string[]): string[] {
  return given.map((argument) => `--build-arg=${argument}`);
}

/**
 * The arguments of a build whose engine hands the proxy variables on by itself.
 * @param bundlePaths files of the image that the bundle is bound over: where they exist, nothing is left of it
 */
export function boundBuildArguments(
  { iidFile, buildArguments: given }: Pick<BuildAdditions, "iidFile" | "buildArguments">,
  bundleFile: string,
  bundlePaths: readonly string[],
): string[] {
  return [
    ...(iidFile === undefined ? [] : [`--iidfile=${iidFile}`]),
    ...buildArgumentOptions(given),
    ...bundlePaths.map((path) => `--volume=${bundleFile}:${path}:ro`),
  ];
}

export interface RunAdditions {
  readonly variables: Variables;
  /** A folder with the files of {@link HANDOUT_PATH}. */
  readonly handoutDir: string;
  readonly isSelinux: boolean;
  readonly network: ContainerNetwork;
  readonly port: string;
}

/**
 * The arguments of a `podman run`: plain ones, so that `podman inspect` shows what the container was given. `z` lets
 * every container read the folder, which is larder's own copy.
 */
export function runArguments({ variables, handoutDir, isSelinux, network, port }: RunAdditions): string[] {
  return [
    ...Object.entries(variables).map(([name, value]) => `--env=${name}=${value}`),
    `--volume=${handoutDir}:${HANDOUT_PATH}:ro${isSelinux ? ",z" : ""}`,
    ...networkArguments(network, port),
  ];
}

/**
 * The arguments of a `docker build`: predefined build arguments, which no image keeps (Dockerfile reference, "ARG").
 */
export function dockerBuildArguments(variables: Variables): string[] {
  return buildArgumentOptions(Object.entries(variables).map(([name, value]) => `${name}=${value}`));
}

/** pasta opens single ports of the machine's loopback to the container, on its own loopback: passt(1), `--tcp-ns`. */
function networkArguments(network: ContainerNetwork, port: string): string[] {
  if (network.kind !== "pasta") return [];
  return [`--network=pasta:${network.options === "" ? "" : `${network.options},`}-T,${port}`];
}
