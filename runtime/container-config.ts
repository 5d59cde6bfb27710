import type { NetworkPlan, RunPlan } from "./plan.ts";

/** The parts of an OCI runtime configuration (`config.json`) that are looked at; the rest is carried along. */
export interface ContainerConfig {
  readonly root: { readonly path: string };
  readonly process: { readonly env?: readonly string[]; readonly args?: readonly string[] };
  readonly mounts?: readonly Mount[];
  readonly linux?: {
    readonly namespaces?: readonly { readonly type: string; readonly path?: string }[];
    readonly mountLabel?: string;
  };
}

export interface Mount {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
}

/** The runtime's numbers are 64 bits wide (an unlimited rlimit is 2^64-1); JavaScript's would round them. */
const LONG_NUMBER = /("(?:[^"\\]|\\.)*")|(?<=[:,[\s])-?\d{16,}(?![\d.eE])/g;
const KEPT_NUMBER = /"larder-number:(-?\d+)"/g;

/** @throws when the text is no JSON, or not of the shape of a container's configuration */
export function parseConfig(text: string): ContainerConfig {
  const kept = text.replace(LONG_NUMBER, (found, quoted?: string) => quoted ?? `"larder-number:${found}"`);
  const config = JSON.parse(kept) as ContainerConfig;
  if (typeof config.root?.path !== "string" || typeof config.process !== "object")
    throw new Error("config.json names no root or no process");
  return config;
}

/** @returns JSON in which every number is as it was read */
export function printConfig(config: ContainerConfig): string {
  return JSON.stringify(config).replace(KEPT_NUMBER, "$1");
}

/** Whether what is mounted below `/dev` vanishes with the container, its mount point included. */
export function hasOwnDev({ mounts = [] }: ContainerConfig): boolean {
  return mounts.some(({ destination, type }) => destination === "/dev" && type === "tmpfs");
}

/** What this container is to be told: it has a network of its own unless it joins none. */
export function networkOf({ linux }: ContainerConfig, plan: RunPlan): NetworkPlan {
  const isOwn = linux?.namespaces?.some(({ type }) => type === "network") === true;
  return isOwn ? plan.ownNetwork : plan.hostNetwork;
}

/**
 * The configuration with variables added, and with these mounts. A variable that the container has already (an ENV of
 * its image, an ARG) stays as it is, unless it is just what the engine hands on of the build's own proxy variables.
 */
export function extendConfig(
  config: ContainerConfig,
  { variables }: NetworkPlan,
  { handedOn, mounts }: { readonly handedOn: RunPlan["handedOn"]; readonly mounts: readonly Mount[] },
): ContainerConfig {
  const env = config.process.env ?? [];
  const kept = env.filter((entry) => {
    const [name = "", value] = splitEntry(entry);
    return !(name in variables && handedOn[name] === value);
  });
  const names = new Set(kept.map((entry) => splitEntry(entry)[0]));
  const added = Object.entries(variables).filter(([name]) => !names.has(name));
  return {
    ...config,
    process: { ...config.process, env: [...kept, ...added.map(([name, value]) => `${name}=${value}`)] },
    mounts,
  };
}

function splitEntry(entry: string): [name: string, value: string] {
  const at = entry.indexOf("=");
  return at === -1 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
}
