import { createHash } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { readCertificates } from "../../certs/read.ts";
import { renderCloudInitSeed } from "../../clients/vm/cloud-init.ts";
import { GUEST_SCRIPT, renderGuestScript } from "../../clients/vm/guest-script.ts";
import {
  proxyUrlInGuest,
  renderKernelWords,
  renderQemuArguments,
  type VmAccess,
} from "../../clients/vm/qemu-arguments.ts";
import { replaceFile, writeFiles } from "../env/written-file.ts";
import type { Invocation } from "../line/invocation.ts";

/** The proxy of a guest. */
interface ProxyForVm extends VmAccess {
  readonly caFile: string;
}

/** What a QEMU is given for such a guest. */
export interface PreparedVm {
  readonly qemuArguments: readonly string[];
  /** What is to stand on the command line of the guest's kernel. */
  readonly kernelWords: readonly string[];
}

/**
 * Prepares a guest that goes through this proxy; writes the seed for cloud-init where `--cloud-init` wants it.
 * @throws LarderError
 */
export function prepareVm({ flags, workingDir }: Invocation, { caFile, ...access }: ProxyForVm): PreparedVm {
  const facts = { proxyUrl: proxyUrlInGuest(access), caSha256: sha256OfCertificate(caFile) };
  const seedDir = typeof flags["cloudInit"] === "string" ? resolve(workingDir, flags["cloudInit"]) : undefined;
  if (seedDir !== undefined) {
    writeFiles(seedDir, renderCloudInitSeed({ ...facts, caPem: readFileSync(caFile, "utf8") }));
  }
  const guestScript = join(dirname(caFile), GUEST_SCRIPT);
  replaceFile(guestScript, renderGuestScript(), 0o755);
  return {
    qemuArguments: renderQemuArguments(access, facts, { caFile, guestScript, seedDir }),
    kernelWords: renderKernelWords(facts),
  };
}

/**
 * The command of a gateway for one connection: this very program, wherever QEMU starts it.
 * @param way its other options
 */
export function stdioGateway(...way: readonly string[]): readonly string[] {
  return [process.execPath, realpathSync(process.argv[1] ?? ""), "gateway", "--stdio", ...way];
}

/** The fingerprint as `openssl x509 -fingerprint -sha256` has it, without colons and in small letters. */
function sha256OfCertificate(file: string): string {
  const [certificate] = readCertificates(file);
  return createHash("sha256")
    .update(certificate?.raw ?? "")
    .digest("hex");
}
