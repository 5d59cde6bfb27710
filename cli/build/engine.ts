import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type EngineCall, optionOf } from "../../clients/engine-call.ts";
import { LarderError, systemCode } from "../../core/errors.ts";
import type { Environment } from "../settings/directories.ts";
import { findRuntime } from "./oci-runtime.ts";

const runFile = promisify(execFile);

/** What an engine is like on this machine, as far as a build through larder has to know. */
export interface EngineFacts {
  readonly isRootless: boolean;
  readonly isSelinux: boolean;
  /** The OCI runtime that the engine starts by itself, as an absolute path. */
  readonly runtimeFile: string;
  /** What connects a rootless container by default. */
  readonly rootlessNetwork: "pasta" | "slirp4netns";
}

/** The parts of `podman info --format json` that are read: podman-info(1). */
interface PodmanInfo {
  readonly host: {
    readonly serviceIsRemote?: boolean;
    readonly ociRuntime?: { readonly path?: string };
    readonly rootlessNetworkCmd?: string;
    readonly security?: { readonly rootless?: boolean; readonly selinuxEnabled?: boolean };
  };
}

/** @throws LarderError `USAGE` for a client of a podman elsewhere, `COMMAND_NOT_FOUND` when there is no such program */
export async function inspectEngine(call: EngineCall, env: Environment): Promise<EngineFacts> {
  const chosen = optionOf(call, "--runtime");
  if (call.engine === "podman") {
    const runtime = chosen === undefined ? [] : ["--runtime", chosen];
    return podmanFacts(await podmanInfo(call.program, [...call.globals, ...runtime], env));
  }
  const named = chosen ?? env["BUILDAH_RUNTIME"];
  const podman = await podmanInfo("podman", [], env).catch(noPodman);
  const facts = podman === undefined ? bareFacts() : podmanFacts(podman);
  const isFound = podman !== undefined && (named ?? "") === "";
  return isFound ? facts : { ...facts, runtimeFile: findRuntime(named, env) };
}

/**
 * A client that talks to a service cannot hand it a runtime of ours: the service starts its own.
 * @throws LarderError `USAGE` when the call or the environment says that podman is elsewhere
 */
export function refuseRemote(call: EngineCall, env: Environment): void {
  if (call.engine === "podman" && isRemoteCall(call, env)) throw remoteRefused();
}

function isRemoteCall({ program, globals }: EngineCall, env: Environment): boolean {
  const flags = ["--remote", "-r", "--remote=true", "--connection", "-c", "--url", "--host", "-H"];
  return (
    program.endsWith("podman-remote") ||
    globals.some((word) => flags.includes(word) || /^--(connection|url|host)=/.test(word)) ||
    (env["CONTAINER_HOST"] ?? "") !== "" ||
    (env["CONTAINER_CONNECTION"] ?? "") !== ""
  );
}

function remoteRefused(): LarderError {
  return new LarderError(
    "USAGE",
    "this podman is the client of a podman elsewhere, which larder cannot reach; run larder build on that machine",
  );
}

async function podmanInfo(program: string, options: readonly string[], env: Environment): Promise<PodmanInfo> {
  try {
    const { stdout } = await runFile(program, [...options, "info", "--format", "json"], { env });
    return JSON.parse(stdout) as PodmanInfo;
  } catch (cause) {
    if (systemCode(cause) === "ENOENT")
      throw new LarderError("COMMAND_NOT_FOUND", `${program}: no such command; is it installed and on PATH?`, {
        cause,
      });
    const said = (cause as { readonly stderr?: string }).stderr?.trim().split("\n").at(-1) ?? String(cause);
    throw new LarderError("ENGINE_FAILED", `${program} info: ${said}`, { cause });
  }
}

function noPodman(error: unknown): undefined {
  if (error instanceof LarderError) return undefined;
  throw error;
}

function podmanFacts({ host }: PodmanInfo): EngineFacts {
  if (host.serviceIsRemote === true) throw remoteRefused();
  const runtimeFile = host.ociRuntime?.path ?? "";
  if (runtimeFile === "")
    throw new LarderError("ENGINE_FAILED", "podman info names no OCI runtime; install crun or runc");
  return {
    isRootless: host.security?.rootless === true,
    isSelinux: host.security?.selinuxEnabled === true,
    runtimeFile,
    // podman 5 tells; those before it know slirp4netns only, as far as builds go.
    rootlessNetwork: host.rootlessNetworkCmd === "pasta" ? "pasta" : "slirp4netns",
  };
}

/** buildah without podman beside it tells nothing of this; the runtime is looked for where it does. */
function bareFacts(): EngineFacts {
  return { isRootless: process.getuid?.() !== 0, isSelinux: false, runtimeFile: "", rootlessNetwork: "slirp4netns" };
}
