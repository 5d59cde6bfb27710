import { shellQuote } from "../../core/shell.ts";
import { oneLine } from "../one-line.ts";

/** QEMU's user network: connections of the guest to this address arrive at the host's loopback, at the same port. */
const HOST_SEEN_BY_GUEST = "10.0.2.2";
/**
 * Where isolated guests find larder: any other address of that network can be forwarded to a program, the host's own
 * cannot.
 */
export const FORWARDED = "10.0.2.100";
const FORWARDED_PORT = 3142;

/** How a guest gets to larder. */
export interface VmAccess {
  /** Of the proxy, on this machine's loopback; of no meaning to a guest that is isolated. */
  readonly port: number;
  /** The command that forwards one connection over stdin and stdout, for a guest that is to reach nothing else. */
  readonly isolatedBy: readonly string[] | undefined;
}

/** What a guest is told. */
export interface VmFacts {
  /** `http://host:port` of larder as the guest reaches it. */
  readonly proxyUrl: string;
  /** The fingerprint of larder's CA: SHA-256 of its DER, in hexadecimal. */
  readonly caSha256: string;
}

export interface VmFiles {
  readonly caFile: string;
  readonly guestScript: string;
  /** A folder that the guest finds as the disk `CIDATA`. */
  readonly seedDir: string | undefined;
}

/** `http://host:port` of larder as the guest reaches it. */
export function proxyUrlInGuest({ port, isolatedBy }: VmAccess): string {
  return isolatedBy === undefined ? `http://${HOST_SEEN_BY_GUEST}:${port}` : `http://${FORWARDED}:${FORWARDED_PORT}`;
}

/**
 * The arguments that QEMU is given: a network with a way to larder, what the guest is told through fw_cfg (by name
 * below
 * `/sys/firmware/qemu_fw_cfg/by_name/opt/larder/`), and the seed for cloud-init.
 * @throws LarderError `CONFIG_BAD_VALUE` for a path that does not fit on a line.
 */
export function renderQemuArguments(access: VmAccess, facts: VmFacts, files: VmFiles): readonly string[] {
  const { caFile, guestScript, seedDir } = files;
  return [
    "-netdev",
    renderNetwork(access),
    "-device",
    "virtio-net-pci,netdev=larder",
    ...firmwareEntry("proxy", `string=${facts.proxyUrl}`),
    ...firmwareEntry("ca-sha256", `string=${facts.caSha256}`),
    ...firmwareEntry("ca.pem", `file=${optionValue(caFile)}`),
    ...firmwareEntry("guest.sh", `file=${optionValue(guestScript)}`),
    ...(seedDir === undefined ? [] : ["-drive", `if=virtio,read-only=on,${seedDisk(seedDir)}`]),
  ];
}

/** The same facts for the kernel's command line, one word each. */
export function renderKernelWords({ proxyUrl, caSha256 }: VmFacts): readonly string[] {
  return [`larder.proxy=${proxyUrl}`, `larder.ca-sha256=${caSha256}`];
}

/**
 * A command line of QEMU's with these words behind what it gives a kernel that it starts by itself (`-kernel`); where
 * the guest boots by its own loader, QEMU has no say in them, and the command line stays as it is.
 */
export function withKernelWords(command: readonly string[], words: readonly string[]): readonly string[] {
  const at = command.findIndex((word) => /^--?append$/.test(word)) + 1;
  if (at > 0) return command.map((word, index) => (index === at ? [word, ...words].join(" ") : word));
  const isStarted = command.some((word) => /^--?kernel$/.test(word));
  return isStarted ? [...command, "-append", words.join(" ")] : command;
}

function renderNetwork({ isolatedBy }: VmAccess): string {
  if (isolatedBy === undefined) return "user,id=larder";
  const command = optionValue(isolatedBy.map(shellQuote).join(" "));
  return `user,id=larder,restrict=on,guestfwd=tcp:${FORWARDED}:${FORWARDED_PORT}-cmd:${command}`;
}

function firmwareEntry(name: string, content: string): readonly string[] {
  return ["-fw_cfg", `name=opt/larder/${name},${content}`];
}

/** QEMU makes a FAT file system of the folder; cloud-init's NoCloud knows its disk by that label. */
function seedDisk(folder: string): string {
  return `driver=vvfat,dir=${optionValue(folder)},label=CIDATA`;
}

/** A comma ends an option of QEMU's, unless it is doubled. */
function optionValue(text: string): string {
  return oneLine(text).replaceAll(",", ",,");
}
