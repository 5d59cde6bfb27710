import { isIPv4 } from "node:net";
import { join } from "node:path";
import { trustFilesIn } from "../../clients/audience.ts";
import { LarderError } from "../../core/errors.ts";
import { shellQuote } from "../../core/shell.ts";
import { findRunning } from "../control/client.ts";
import { replaceFile } from "../env/written-file.ts";
import type { Invocation } from "../line/invocation.ts";
import { print } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { trustDirOfStore } from "../serving/trust.ts";
import { loadConfig } from "../settings/config.ts";
import { prepareVm, stdioGateway } from "../vm/vm-access.ts";

/** In the store: the program that QEMU starts for each connection of an isolated guest. */
const GATEWAY = "guest-gateway";

/** `larder vm-args`: QEMU's arguments for the proxy that serves this store, quoted for a shell. */
export async function vmArgs(invocation: Invocation): Promise<number> {
  const { flags, env } = invocation;
  const { root } = loadConfig(invocation).settings;
  const report = await (await findRunning(root, env))?.status();
  if (report === undefined)
    throw new LarderError("NOT_RUNNING", `no larder serves ${root}; start one with \`larder serve\``);
  const isIsolated = flags["isolated"] === true;
  const port = loopbackPort(report.listening);
  if (port === undefined && !isIsolated) {
    const cure = "let it listen on 127.0.0.1, too, or give --isolated";
    throw new LarderError("NOT_RUNNING", `guests reach this machine's loopback, where this larder is not; ${cure}`);
  }
  const { qemuArguments, kernelWords } = prepareVm(invocation, {
    port: port ?? 0,
    caFile: trustFilesIn(trustDirOfStore(root)).caFile,
    isolatedBy: isIsolated ? [writeGateway(root)] : undefined,
  });
  const words = flags["kernelLine"] === true ? kernelWords : qemuArguments;
  print(words.map(shellQuote).join(" "));
  return EXIT.ok;
}

/**
 * One word for QEMU's command line, where it stands in quotes within quotes; what is more, a shell splits it at spaces
 * only.
 */
function writeGateway(root: string): string {
  const file = join(root, GATEWAY);
  const command = stdioGateway("--packages", "--root", root).map(shellQuote).join(" ");
  replaceFile(file, `#!/bin/sh\n# Written by larder vm-args.\nexec ${command}\n`, 0o755);
  return file;
}

/** Where QEMU's user network leads: 127.0.0.1 of this machine. */
function loopbackPort(listening: readonly string[]): number | undefined {
  const urls = listening.map((url) => new URL(url));
  const found = urls.find(({ hostname }) => isIPv4(hostname) && /^(?:127\.0\.0\.1|0\.0\.0\.0)$/.test(hostname));
  return found === undefined ? undefined : Number(found.port || "80");
}
