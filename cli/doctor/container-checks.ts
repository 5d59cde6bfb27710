import { accessFor, accessOnHost, PODMAN_CONTAINER } from "../../clients/audience.ts";
import { readEnvText } from "../../clients/env-text.ts";
import { readFragments } from "../env/fragments.ts";
import type { Environment } from "../settings/directories.ts";
import { askProgram } from "./ask-program.ts";
import { bad, type Finding, good, note } from "./finding.ts";

/** What is read of `podman info`. */
interface PodmanInfo {
  readonly host: {
    readonly networkBackend?: string;
    readonly ociRuntime?: { readonly name?: string };
    readonly security?: { readonly rootless?: boolean };
    readonly serviceIsRemote?: boolean;
  };
  readonly version: { readonly Version?: string };
}

/** Which engine is there; `isLocal` when it starts containers on this machine. */
export async function checkEngine(env: Environment): Promise<{ readonly finding: Finding; readonly isLocal: boolean }> {
  const said = await askProgram("podman", ["info", "--format", "json"], env);
  if (said === undefined) return { finding: note("engine", "podman is not installed"), isLocal: false };
  if (said.code !== 0) {
    const finding = bad(
      "engine",
      `podman info fails: ${lastLine(said.stderr)}`,
      "mend podman; larder needs nothing of it",
    );
    return { finding, isLocal: false };
  }
  const { host, version } = JSON.parse(said.stdout) as PodmanInfo;
  const kind = host.security?.rootless === true ? "rootless" : "rootful";
  const runtime = host.ociRuntime?.name ?? "an unknown runtime";
  const says = `podman ${version.Version ?? "?"}, ${kind}, ${runtime}, network ${host.networkBackend ?? "unknown"}`;
  if (host.serviceIsRemote === true) {
    const cure = "builds need the engine on this machine: run larder where podman's service is";
    return { finding: note("engine", `${says}, on another machine`, cure), isLocal: false };
  }
  return { finding: good("engine", says), isLocal: true };
}

/**
 * Tries what the image has until one of them gets an answer of larder's own page: `reached HOST:PORT`. Else
 * `unreached`, with the address that the engine gives to this machine's name; nothing when there was nothing to try
 * with.
 */
const PROBE = `for at in "$@"; do
  for by in 'curl -fsS -H Host:localhost --noproxy "*" "http://$at/healthz"' 'wget -qO- --header Host:localhost --no-proxy "http://$at/healthz"' \\
    'python3 -c "import sys,http.client as h; c=h.HTTPConnection(sys.argv[1],timeout=3); c.request(\\"GET\\",\\"/healthz\\",headers={\\"Host\\":\\"localhost\\"}); print(c.getresponse().read().decode())" "$at"' \\
    'bash -c "exec 3<>/dev/tcp/\${at%:*}/\${at##*:} && printf \\"GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n\\" >&3 && cat <&3"'; do
    if command -v "\${by%% *}" >/dev/null 2>&1; then
      tried=1
      if [ "$(eval "$by" 2>/dev/null | tail -n 1)" = ok ]; then echo "reached $at"; exit; fi
    fi
  done
done
while read -r ip names; do
  case " $names " in *" host.containers.internal "*) host=$ip ;; esac
done </etc/hosts
echo "\${tried:+unreached} $host"
`;

/**
 * Has a throw-away container look for larder.
 * @param image the one to run; any local one where none is named
 */
export async function checkContainer(
  root: string,
  { env, image }: { readonly env: Environment; readonly image: string | undefined },
): Promise<Finding> {
  const onHost = accessOnHost(readEnvText(readFragments(root)));
  if (onHost === undefined) return note("container", "not tried: nothing runs that it could reach");
  const name = image ?? (await anyImage(env));
  if (name === undefined) return note("container", "not tried: no image on this machine", "name one with --image");
  const own = new URL(onHost.proxyUrl).host;
  const seen = new URL(accessFor(onHost, PODMAN_CONTAINER).proxyUrl).host;
  const args = [
    "run",
    "--rm",
    "--pull=never",
    "--http-proxy=false",
    "--entrypoint=sh",
    name,
    "-c",
    PROBE,
    "sh",
    seen,
    own,
  ];
  const said = await askProgram("podman", args, env);
  const [word, address] = (said?.stdout.trim() ?? "").split(" ");
  if (said?.code !== 0) {
    const cure = "mend podman, or name another image with --image";
    return bad("container", `${name} could not be run: ${lastLine(said?.stderr ?? "")}`, cure);
  }
  if (word === "reached") {
    const where =
      address === own ? `${own}, on this machine's own network (--for host)` : `${address} (--for container)`;
    return good("container", `a container of ${name} reaches larder at ${where}`);
  }
  if (word !== "unreached") return note("container", `${name} has no curl, wget, python3 or bash to try with`);
  return bad(
    "container",
    `a container of ${name} does not reach larder at ${seen}`,
    await networkCure(address, env, onHost.proxyUrl),
  );
}

async function anyImage(env: Environment): Promise<string | undefined> {
  const said = await askProgram("podman", ["images", "--quiet", "--filter", "dangling=false"], env);
  return said?.stdout.split("\n").find((id) => id !== "");
}

/**
 * The name that containers know this machine by leads to a bridge, whose address is there only while one of them runs
 * and behind which they are a network; or, by slirp4netns, to an address of this machine, from which they then seem to
 * come (seen with podman 4.3).
 * @param hostAddress what the container's own hosts file says; `undefined` when it says nothing
 */
async function networkCure(hostAddress: string | undefined, env: Environment, proxyUrl: string): Promise<string> {
  if (hostAddress === undefined || hostAddress === "") return "run it with --network=host, told by --for host";
  const said = await askProgram("podman", ["network", "inspect", "podman"], env);
  const { gateway, subnet } =
    /"subnet": "(?<subnet>[^"]+)",\s*"gateway": "(?<gateway>[^"]+)"/.exec(said?.stdout ?? "")?.groups ?? {};
  const network = gateway === hostAddress ? subnet : hostAddress;
  return `larder serve --listen 0.0.0.0:${new URL(proxyUrl).port} --allow ${network}`;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
