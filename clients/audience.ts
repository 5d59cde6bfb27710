import { LarderError } from "../core/errors.ts";
import { HANDOUT_FILES, HANDOUT_PATH } from "../core/handout.ts";
import { formatAuthority, parseHostPort } from "../core/target.ts";
import { proxyVariables, TRUST_VARIABLES, type TrustFiles, type Variables } from "./environment.ts";

/** Who is told: a program on this machine, in a container or a virtual machine of it, or elsewhere. */
export type Audience = { readonly kind: "host" } | RemoteAudience;

interface RemoteAudience {
  readonly kind: "container" | "vm" | "other";
  /** The name or address of this machine as the client knows it. */
  readonly host: string;
  /** The port it reaches larder at, where that is another one than here. */
  readonly port?: number | undefined;
}

/** How a client reaches larder, what it trusts, and everything it is to have in its environment. */
export interface ClientAccess extends TrustFiles {
  readonly proxyUrl: string;
  /** All that is reached directly, comma-separated. */
  readonly noProxy: string;
  readonly variables: Variables;
}

/** Where other machines are expected to have a copy of the folder of trust files. */
const OTHER_TRUST_DIR = "/etc/larder";

/** podman's containers know the machine that runs them by this name: podman-run(1), `--add-host`. */
export const PODMAN_CONTAINER: Audience = { kind: "container", host: "host.containers.internal" };
/** Docker's know it by that one, when they were started with `--add-host=host.docker.internal:host-gateway`. */
export const DOCKER_CONTAINER: Audience = { kind: "container", host: "host.docker.internal" };
/** What a QEMU guest on user networking takes for its gateway: connections to it arrive at the host's loopback. */
const VM: Audience = { kind: "vm", host: "10.0.2.2" };

/**
 * Reads `host`, `container`, `vm`, or the name or address of this machine as another one knows it, with a port if
 * larder is reached by another one there.
 * @throws LarderError `CONFIG_BAD_VALUE`; also for IPv6 zones, which a proxy URL cannot hold.
 */
export function readAudience(written: string): Audience {
  if (written === "host") return { kind: written };
  if (written === "container") return PODMAN_CONTAINER;
  if (written === "vm") return VM;
  try {
    return { kind: "other", ...parseHostPort(written) };
  } catch (cause) {
    const allowed = "host, container, vm, or a host name or address, such as builder.example or [fd00::1]:3142";
    throw new LarderError("CONFIG_BAD_VALUE", `--for is ${JSON.stringify(written)}; allowed: ${allowed}`, { cause });
  }
}

/**
 * What the fragments of this machine say.
 * @param variables as the fragments have them. @returns `undefined` when they name no proxy or no trust files.
 */
export function accessOnHost(variables: Variables): ClientAccess | undefined {
  const named = (value: "bundle" | "ca") => TRUST_VARIABLES.find((row) => row.value === value)?.name ?? "";
  const { http_proxy: proxyUrl, no_proxy: noProxy = "" } = variables;
  const bundleFile = variables[named("bundle")];
  const caFile = variables[named("ca")];
  if (proxyUrl === undefined || bundleFile === undefined || caFile === undefined) return undefined;
  return { proxyUrl, noProxy, bundleFile, caFile, variables };
}

/** The folder of trust files as that client has it; `undefined` on this machine, where they are where they are. */
function trustDirOf({ kind }: Audience): string | undefined {
  if (kind === "host") return undefined;
  return kind === "container" ? HANDOUT_PATH : OTHER_TRUST_DIR;
}

/** The same access as another client has it: its own address of larder, its own places of the trust files. */
export function accessFor(
  access: ClientAccess,
  audience: Audience,
  trustDir: string | undefined = trustDirOf(audience),
): ClientAccess {
  const proxyUrl = audience.kind === "host" ? access.proxyUrl : proxyUrlFor(audience, access.proxyUrl);
  const { bundleFile, caFile } = trustDir === undefined ? access : trustFilesIn(trustDir);
  const host = audience.kind === "host" ? "" : audience.host;
  const { no_proxy: noProxy = "" } = proxyVariables({ proxyUrl, noProxy: `${access.noProxy},${host}` });
  const moved = new Map([
    [access.proxyUrl, proxyUrl],
    [access.bundleFile, bundleFile],
    [access.caFile, caFile],
  ]);
  const places = Object.entries(access.variables).map(([name, value]) => [name, moved.get(value) ?? value]);
  const variables = { ...Object.fromEntries(places), no_proxy: noProxy, NO_PROXY: noProxy };
  return { proxyUrl, noProxy, bundleFile, caFile, variables };
}

export function trustFilesIn(folder: string): TrustFiles {
  return { bundleFile: `${folder}/${HANDOUT_FILES.bundle}`, caFile: `${folder}/${HANDOUT_FILES.ca}` };
}

function proxyUrlFor({ host, port }: RemoteAudience, ownUrl: string): string {
  return `http://${formatAuthority({ host, port: port ?? Number(new URL(ownUrl).port || "80") })}`;
}
