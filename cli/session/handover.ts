import { chmodSync, copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TrustFiles } from "../../clients/environment.ts";
import { makeScratchFolder } from "../env/written-file.ts";

/** Copies of what a command has to read, for as long as it runs. */
export interface Handover extends TrustFiles {
  readonly aptConfFile: string;
  /** Idempotent and synchronous, so that it also works while the process exits. */
  remove(): void;
}

/**
 * Copies the trust files into a new folder that every user may read, with an `apt.conf` beside them. Copies, because
 * apt fetches as `_apt` and the store may lie in a home that only its owner enters.
 * @param aptConf makes the text of `apt.conf`, given where the copies will be
 * @throws LarderError `FILE_UNWRITABLE`
 */
export function writeHandover(trust: TrustFiles, aptConf: (trust: TrustFiles) => string): Handover {
  const folder = makeScratchFolder("larder-run-");
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const copies = {
    caFile: join(folder, "larder-ca.pem"),
    bundleFile: join(folder, "ca-bundle.pem"),
    aptConfFile: join(folder, "apt.conf"),
  };
  copyFileSync(trust.caFile, copies.caFile);
  copyFileSync(trust.bundleFile, copies.bundleFile);
  writeFileSync(copies.aptConfFile, aptConf(copies));
  // Whatever the umask says: these are certificates, not secrets.
  chmodSync(folder, 0o755);
  for (const file of Object.values(copies)) chmodSync(file, 0o644);
  return { ...copies, remove };
}
