import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type ContainerNetwork, networkOf } from "../../clients/container-network.ts";
import { type EngineCall, optionOf } from "../../clients/engine-call.ts";
import type { GuestNetwork } from "../control/sessions.ts";
import type { Environment } from "../settings/directories.ts";
import { type EngineFacts, inspectEngine, refuseRemote } from "./engine.ts";

const runFile = promisify(execFile);

/** How one call of an engine goes through larder. */
export type Way =
  /** By the wrapper of its OCI runtime: everything inside trusts the CA, nothing stays behind. */
  | { readonly kind: "wrapped"; readonly facts: EngineFacts; readonly network: ContainerNetwork }
  /** By plain arguments. */
  | { readonly kind: "mounted"; readonly facts: EngineFacts; readonly network: ContainerNetwork }
  /**
   * By the proxy variables, which the engine hands on, and a bundle that is bound over the image's own: no trace is left, but no
   * RUN can replace those files.
   */
  | { readonly kind: "bound"; readonly network: ContainerNetwork; readonly bundlePaths: readonly string[] }
  /** By `http_proxy` alone: nothing inside can be made to trust the CA without a trace, so https takes its own way. */
  | { readonly kind: "plain-http"; readonly network: ContainerNetwork }
  /** Not at all. */
  | { readonly kind: "around" };

export interface ChosenWay {
  readonly way: Way;
  /** Whom the session has to listen for, beside this machine. */
  readonly guests: GuestNetwork | undefined;
  /** What the user should know before it begins. */
  readonly notes: readonly string[];
}

/** The network that podman and Docker bring along: containers.conf(5) `default_subnet`; Docker's `docker0`. */
const USUAL_BRIDGES: Readonly<Record<string, GuestNetwork>> = {
  podman: { address: "10.88.0.1", network: "10.88.0.0/16" },
  bridge: { address: "172.17.0.1", network: "172.17.0.0/16" },
};

/**
 * @param bundlePaths files of the image that a bundle may be bound over, where there is no other way to be trusted
 * @throws LarderError `USAGE`, `COMMAND_NOT_FOUND`, `ENGINE_FAILED`
 */
export async function chooseWay(
  call: EngineCall,
  env: Environment,
  bundlePaths: readonly string[],
): Promise<ChosenWay> {
  refuseRemote(call, env);
  if (call.engine === "docker") {
    const network = networkOf(call, { isRootless: false, rootlessNetwork: "slirp4netns" });
    return withGuests(call, { kind: "plain-http", network }, env, [
      HTTPS_AROUND("a docker build starts its own runtime"),
    ]);
  }
  const isolation = optionOf(call, "--isolation") ?? env["BUILDAH_ISOLATION"];
  if (call.action === "build" && isolation === "chroot") return underChroot(call, env, bundlePaths);
  const facts = await inspectEngine(call, env);
  const kind = call.action === "run" ? "mounted" : "wrapped";
  return withGuests(call, { kind, facts, network: networkOf(call, facts) }, env, []);
}

/** Nothing is started there that a wrapper could stand before; the network is this machine's. */
function underChroot(call: EngineCall, env: Environment, bundlePaths: readonly string[]): Promise<ChosenWay> {
  const network = { kind: "host" } as const;
  const why = "chroot isolation starts no OCI runtime";
  if (bundlePaths.length === 0) {
    const cure = "; --bind-bundle binds a bundle over the image's own";
    return withGuests(call, { kind: "plain-http", network }, env, [HTTPS_AROUND(why) + cure]);
  }
  const note = `${why}: a bundle with larder's CA is bound over ${bundlePaths.join(" and ")}; a RUN that replaces it, as update-ca-certificates does, fails, and Node, Deno and Java do not trust it`;
  return withGuests(call, { kind: "bound", network, bundlePaths }, env, [note]);
}

/** Said before it begins, for the build would work in silence. */
const HTTPS_AROUND = (why: string) =>
  `${why}: nothing inside can trust larder's CA without a trace; http goes through the cache, https takes its own way`;

async function withGuests(
  call: EngineCall,
  way: Exclude<Way, { readonly kind: "around" }>,
  env: Environment,
  notes: readonly string[],
): Promise<ChosenWay> {
  const { network } = way;
  const guests = network.kind === "bridge" ? await bridgeOf(call, network.name, env) : undefined;
  const why = whyUnreached(network, guests);
  if (why === undefined) return { way, guests, notes };
  return {
    way: { kind: "around" },
    guests: undefined,
    notes: [`${why}: this runs without larder; --network=host has a way`],
  };
}

function whyUnreached(network: ContainerNetwork, guests: GuestNetwork | undefined): string | undefined {
  if (network.kind === "none") return "there is no network";
  const isUnknown = network.kind === "unknown" || (network.kind === "bridge" && guests === undefined);
  return isUnknown ? `larder has no way into the network ${network.name}` : undefined;
}

/** The subnets of `podman network inspect` and of `docker network inspect`. */
interface InspectedNetwork {
  readonly subnets?: readonly { readonly subnet?: string; readonly gateway?: string }[];
  readonly IPAM?: { readonly Config?: readonly { readonly Subnet?: string; readonly Gateway?: string }[] };
}

/** The machine's own address on the bridge. What buildah uses, podman knows. */
async function bridgeOf(call: EngineCall, name: string, env: Environment): Promise<GuestNetwork | undefined> {
  const [program, globals] = call.engine === "buildah" ? ["podman", []] : [call.program, call.globals];
  try {
    const { stdout } = await runFile(program, [...globals, "network", "inspect", name], { env });
    const [found] = JSON.parse(stdout) as readonly InspectedNetwork[];
    const subnets = [
      ...(found?.subnets ?? []),
      ...(found?.IPAM?.Config ?? []).map(({ Subnet, Gateway }) => ({ subnet: Subnet, gateway: Gateway })),
    ];
    const ipv4 = subnets.find(({ gateway, subnet }) => gateway?.includes(".") === true && subnet !== undefined);
    if (ipv4?.gateway !== undefined && ipv4.subnet !== undefined)
      return { address: ipv4.gateway, network: ipv4.subnet };
  } catch {
    // An engine too old or too broken to tell; what it has by default is known.
  }
  return USUAL_BRIDGES[name];
}
