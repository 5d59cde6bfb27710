import { type EngineCall, optionOf } from "./engine-call.ts";

/** How the containers of a call reach the machine that larder runs on. */
export type ContainerNetwork =
  /** They share its network: its loopback is theirs. */
  | { readonly kind: "host" }
  /** A rootful bridge: an address of the machine stands on it. */
  | { readonly kind: "bridge"; readonly name: string }
  /** slirp4netns leads 10.0.2.2 to the machine's loopback; builds never forbid it. */
  | { readonly kind: "slirp4netns" }
  /** pasta makes single ports of the machine's loopback the container's own (`-T`). */
  | { readonly kind: "pasta"; readonly options: string }
  /** They have no network at all. */
  | { readonly kind: "none" }
  /** larder knows no way. */
  | { readonly kind: "unknown"; readonly name: string };

/** The machine's loopback as slirp4netns shows it: slirp4netns(1), `--disable-host-loopback`. */
export const SLIRP_HOST = "10.0.2.2";

/** The network that the engine gives to a container when the call names none: its own name for it. */
const DEFAULT_BRIDGES = { podman: "podman", buildah: "podman", docker: "bridge" } as const;

interface Defaults {
  readonly isRootless: boolean;
  readonly rootlessNetwork: "pasta" | "slirp4netns";
}

/** What the call's `--network` says, or the engine's default. */
export function networkOf(call: EngineCall, { isRootless, rootlessNetwork }: Defaults): ContainerNetwork {
  const written = optionOf(call, "--network", "--net") ?? "";
  const [mode = "", ...options] = written.split(":");
  switch (mode) {
    case "host":
      return { kind: "host" };
    case "none":
      return { kind: "none" };
    case "slirp4netns":
      return { kind: "slirp4netns" };
    case "pasta":
      return { kind: "pasta", options: options.join(":") };
    case "":
    case "default":
    case "private":
      if (!isRootless || call.engine === "docker") return { kind: "bridge", name: DEFAULT_BRIDGES[call.engine] };
      return rootlessNetwork === "pasta" ? { kind: "pasta", options: "" } : { kind: "slirp4netns" };
    case "bridge":
      return isRootless ? { kind: "unknown", name: written } : { kind: "bridge", name: DEFAULT_BRIDGES[call.engine] };
    default:
      return isRootless || mode === "ns" || mode === "container"
        ? { kind: "unknown", name: written }
        : { kind: "bridge", name: mode };
  }
}
