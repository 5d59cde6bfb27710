import { HANDOUT_FILES } from "../../core/handout.ts";
import { renderAptFragment, renderAptProxyDetect } from "../apt.ts";
import { trustFilesIn } from "../audience.ts";
import { renderGuestScript } from "./guest-script.ts";
import type { VmFacts } from "./qemu-arguments.ts";

/** Where a guest that is configured once keeps what it needs at each boot. */
const FOLDER_IN_GUEST = "/etc/larder";
const GUEST_PROGRAM = "/usr/local/bin/larder-guest";
/**
 * Where Debian, Ubuntu and Arch keep the roots of the system, which cloud-init adds the CA to; apt reads them from
 * there.
 */
const SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

export interface CloudInitSeed extends VmFacts {
  readonly caPem: string;
}

/**
 * The files of a NoCloud seed by name: larder's CA among the guest's roots, apt through larder while it answers, and
 * login shells, too. Nothing names the proxy as the only way, for a guest outlives it.
 * @see https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */
export function renderCloudInitSeed({ proxyUrl, caSha256, caPem }: CloudInitSeed): Readonly<Record<string, string>> {
  const detect = `${FOLDER_IN_GUEST}/${HANDOUT_FILES.aptProxyDetect}`;
  const login = `eval "$(${GUEST_PROGRAM} --proxy ${proxyUrl} --ca-sha256 ${caSha256} 2>/dev/null)"\n`;
  const files = [
    { path: trustFilesIn(FOLDER_IN_GUEST).caFile, content: caPem, permissions: "0644" },
    { path: detect, content: renderAptProxyDetect(proxyUrl), permissions: "0755" },
    { path: "/etc/apt/apt.conf.d/90larder", content: renderAptFragment(SYSTEM_BUNDLE, detect), permissions: "0644" },
    { path: GUEST_PROGRAM, content: renderGuestScript(), permissions: "0755" },
    { path: "/etc/profile.d/larder.sh", content: login, permissions: "0644" },
  ];
  const config = { ca_certs: { trusted: [caPem] }, write_files: files };
  // JSON is YAML, and needs no quoting of its own.
  return {
    "user-data": `#cloud-config\n${JSON.stringify(config, undefined, 2)}\n`,
    "meta-data": "instance-id: larder\n",
  };
}
