import { dirname } from "node:path/posix";
import { HANDOUT_FILES, HANDOUT_PATH } from "../../core/handout.ts";
import { renderAptFragment, renderAptProxyDetect } from "../apt.ts";
import { type Audience, accessFor, type ClientAccess } from "../audience.ts";
import { renderContainerArguments } from "./containers.ts";
import { renderDnf, renderJson, renderNix, renderNpm, renderPip } from "./package-managers.ts";
import { renderEnv, renderFish, renderSh, renderSystemd } from "./shells.ts";

interface Told {
  /** What the fragments of this machine say. */
  readonly onHost: ClientAccess;
  readonly audience: Audience;
  /** The folder of trust files as the client has it, where that is not the usual one. */
  readonly trustDir?: string | undefined;
}

/** What `larder proxy-env --format` prints for each tool. */
export const FORMATS = {
  env: forClient(renderEnv),
  sh: forClient(renderSh),
  fish: forClient(renderFish),
  systemd: forClient(renderSystemd),
  podman: (told: Told) => containerArguments("podman", told),
  docker: (told: Told) => containerArguments("docker", told),
  apt: renderApt,
  dnf: forClient(renderDnf),
  pip: forClient(renderPip),
  npm: forClient(renderNpm),
  nix: forClient(renderNix),
  json: forClient(renderJson),
} as const satisfies Readonly<Record<string, (told: Told) => string>>;

export type FormatName = keyof typeof FORMATS;

function forClient(render: (access: ClientAccess) => string): (told: Told) => string {
  return ({ onHost, audience, trustDir }) => render(accessFor(onHost, audience, trustDir));
}

function containerArguments(engine: "podman" | "docker", { onHost, audience }: Told): string {
  const inContainer = accessFor(onHost, audience, HANDOUT_PATH);
  return renderContainerArguments(inContainer, { engine, audience, trustDir: dirname(onHost.bundleFile) });
}

/** Elsewhere the script is not there yet: it follows as a comment, to be saved where the settings name it. */
function renderApt({ onHost, audience, trustDir }: Told): string {
  const { proxyUrl, bundleFile } = accessFor(onHost, audience, trustDir);
  const detectFile = `${dirname(bundleFile)}/${HANDOUT_FILES.aptProxyDetect}`;
  const fragment = renderAptFragment(bundleFile, detectFile);
  if (audience.kind === "host") return fragment;
  const script = renderAptProxyDetect(proxyUrl).trimEnd().split("\n");
  return [`${fragment}//`, `// ${detectFile}, mode 755:`, ...script.map((line) => `// ${line}`), ""].join("\n");
}
