import { type ContainerNetwork, SLIRP_HOST } from "../../clients/container-network.ts";
import { containerVariables } from "../../clients/container-variables.ts";
import {
  boundBuildArguments,
  buildArgumentOptions,
  buildArguments,
  dockerBuildArguments,
  runArguments,
} from "../../clients/engine-arguments.ts";
import { commandOf, type EngineCall, optionOf, withoutOption } from "../../clients/engine-call.ts";
import { proxyVariables, type TrustFiles, type Variables } from "../../clients/environment.ts";
import type { Environment } from "../settings/directories.ts";
import { preparedCaches } from "./cache-folders.ts";
import type { RunFolder } from "./run-folder.ts";
import type { Way } from "./way.ts";

/** Where a call finds larder. */
export interface ProxyPlace {
  /** On this machine's loopback. */
  readonly proxyUrl: string;
  /** On the address of a bridge. */
  readonly guestUrl?: string | undefined;
  readonly trust: TrustFiles;
}

export interface CallOptions {
  readonly env: Environment;
  readonly place: ProxyPlace;
  readonly folder: RunFolder;
  readonly rootDir: string;
  readonly bindsDnfConf: boolean;
  /** `NAME=value` of build arguments. */
  readonly buildArguments: readonly string[];
}

/** A call as it is carried out. */
export interface PreparedCall {
  readonly command: readonly string[];
  /** What of the command is larder's. */
  readonly inserted: readonly string[];
  /** The environment of the engine itself: it pulls base images, through larder as well. */
  readonly env: Environment;
  /** Where the engine will have written the image's id; `undefined` when it makes no image that could be looked at. */
  readonly iidFile: string | undefined;
}

/** Makes what the call needs in the folder, and says what is to be run. @throws LarderError `ENGINE_FAILED` */
export function prepareCall(call: EngineCall, way: Way, options: CallOptions): PreparedCall {
  switch (way.kind) {
    case "wrapped":
      return wrapped(call, way, options);
    case "mounted":
      return mounted(call, way, options);
    case "bound":
      return bound(call, way.bundlePaths, options);
    case "plain-http":
      return plainHttp(call, way.network, options);
    case "around": {
      const inserted = buildArgumentOptions(options.buildArguments);
      return { command: commandOf(call, inserted), inserted, env: options.env, iidFile: undefined };
    }
    default:
      return way satisfies never;
  }
}

function wrapped(call: EngineCall, way: Way & { readonly kind: "wrapped" }, options: CallOptions): PreparedCall {
  const { place, folder, rootDir, bindsDnfConf } = options;
  const { facts, network } = way;
  const env = engineEnvironment(options);
  const cacheMounts = preparedCaches(rootDir, call);
  const shimFile = folder.writeShim(facts.runtimeFile, {
    trust: place.trust,
    hostUrl: place.proxyUrl,
    guestUrl: urlInside(network, place),
    noProxy: ownNoProxy(options.env),
    handedOn: handedOn(options),
    bindsDnfConf,
    cacheMounts,
  });
  const ownIidFile = optionOf(call, "--iidfile");
  const inserted = buildArguments({
    shimFile,
    iidFile: ownIidFile === undefined ? folder.iidFile : undefined,
    cacheMounts,
    buildArguments: options.buildArguments,
    network,
    port: new URL(place.proxyUrl).port,
  });
  const bare = withoutOption(withoutNetworkIfInserted(call, network), "--runtime");
  return { command: commandOf(bare, inserted), inserted, env, iidFile: ownIidFile ?? folder.iidFile };
}

/** A container that is run shows what it was given, so nothing is hidden in its configuration. */
function mounted(
  call: EngineCall,
  { facts, network }: Way & { readonly kind: "mounted" },
  options: CallOptions,
): PreparedCall {
  const { place, folder } = options;
  const proxyUrl = urlInside(network, place);
  const inserted = runArguments({
    variables: containerVariables({ proxyUrl, noProxy: ownNoProxy(options.env) }),
    handoutDir: folder.writeHandout({ trust: place.trust, proxyUrl }),
    isSelinux: facts.isSelinux,
    network,
    port: new URL(place.proxyUrl).port,
  });
  const command = commandOf(withoutNetworkIfInserted(call, network), inserted);
  return { command, inserted, env: engineEnvironment(options), iidFile: undefined };
}

function bound(call: EngineCall, bundlePaths: readonly string[], options: CallOptions): PreparedCall {
  const { place, folder } = options;
  const ownIidFile = optionOf(call, "--iidfile");
  const additions = {
    iidFile: ownIidFile === undefined ? folder.iidFile : undefined,
    buildArguments: options.buildArguments,
  };
  const inserted = boundBuildArguments(additions, place.trust.bundleFile, bundlePaths);
  const iidFile = ownIidFile ?? folder.iidFile;
  return { command: commandOf(call, inserted), inserted, env: engineEnvironment(options), iidFile };
}

function plainHttp(call: EngineCall, network: ContainerNetwork, options: CallOptions): PreparedCall {
  const { http_proxy = "", no_proxy = "" } = proxyVariables({
    proxyUrl: urlInside(network, options.place),
    noProxy: ownNoProxy(options.env),
  });
  const variables = { http_proxy, HTTP_PROXY: http_proxy, no_proxy, NO_PROXY: no_proxy };
  const inserted = [
    ...(call.engine === "docker" ? dockerBuildArguments(variables) : []),
    ...buildArgumentOptions(options.buildArguments),
  ];
  const env = call.engine === "docker" ? options.env : { ...options.env, ...variables };
  return { command: commandOf(call, inserted), inserted, env, iidFile: undefined };
}

/** The proxy as a container of that network has to name it. */
function urlInside(network: ContainerNetwork, { proxyUrl, guestUrl }: ProxyPlace): string {
  switch (network.kind) {
    case "bridge":
      return guestUrl ?? proxyUrl;
    case "slirp4netns":
      return proxyUrl.replace("127.0.0.1", SLIRP_HOST);
    default:
      // host: its loopback is ours. pasta: the port of ours is the container's own.
      return proxyUrl;
  }
}

/** Go programs, as the engines are, read SSL_CERT_FILE: a registry that is not tunnelled verifies, too. */
function engineEnvironment(options: CallOptions): Environment {
  return { ...options.env, ...handedOn(options), SSL_CERT_FILE: options.place.trust.bundleFile };
}

/** The six that podman and buildah hand on to RUN by themselves: podman-build(1), `--http-proxy`. */
function handedOn({ env, place }: CallOptions): Variables {
  const { NODE_USE_ENV_PROXY: _, ...six } = proxyVariables({ proxyUrl: place.proxyUrl, noProxy: ownNoProxy(env) });
  return six;
}

function ownNoProxy(env: Environment): string {
  return env["no_proxy"] || env["NO_PROXY"] || "";
}

/** pasta's options are joined to those that the user gave. */
function withoutNetworkIfInserted(call: EngineCall, network: ContainerNetwork): EngineCall {
  return network.kind === "pasta" ? withoutOption(call, "--network", "--net") : call;
}
