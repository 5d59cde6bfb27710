import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { rootCertificates } from "node:tls";
import type { Authority } from "./authority.ts";
import { makeFolderOfCa, replaceFile } from "./files.ts";
import { certificateBlocks, certificatePem } from "./pem.ts";
import { readCertificates } from "./read.ts";

/** Where distributions keep their roots as one PEM file; Go's crypto/x509 (root_linux.go) looks at the same ones. */
export const SYSTEM_BUNDLES: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch, NixOS
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
  "/etc/pki/tls/certs/ca-bundle.crt", // the same, older
  "/etc/ssl/ca-bundle.pem", // openSUSE
  "/var/lib/ca-certificates/ca-bundle.pem", // openSUSE, where the link above leads
  "/etc/ssl/cert.pem", // Alpine without its ca-certificates package
];

export interface TrustBundle {
  readonly file: string;
  /** PEM, as {@link readSystemRoots} and {@link readExtraRoots} give it. */
  readonly systemRoots: string;
  readonly authority: Authority;
}

/**
 * The roots that this machine trusts, as PEM: of the first of `candidates` that holds a certificate, else those that
 * Node brings along (a container without ca-certificates).
 */
export function readSystemRoots({
  candidates = SYSTEM_BUNDLES,
}: {
  readonly candidates?: readonly string[];
} = {}): string {
  for (const file of candidates) {
    const blocks = certificateBlocks(readIfPossible(file));
    if (blocks.length > 0) return blocks.join("");
  }
  return certificateBlocks(rootCertificates.join("\n")).join("");
}

/**
 * The certificates of files that the user named (`--origin-ca`, `NODE_EXTRA_CA_CERTS`), as PEM.
 * @throws LarderError `CA_UNREADABLE` naming the file that cannot be read, holds no certificate or a damaged one.
 */
export function readExtraRoots(files: readonly string[]): string {
  return files.flatMap((file) => readCertificates(file).map(({ raw }) => certificatePem(raw))).join("");
}

/**
 * Writes the file that `SSL_CERT_FILE` and its like point at: the system's roots, then our chain. Those variables
 * replace all roots of a client, so neither may be missing. Replaced whole, mode 0644, and only when its content
 * changes, so that clients which watch or copy it see no needless news.
 * @returns whether it changed.
 * @throws LarderError `CA_UNWRITABLE`
 */
export function writeTrustBundle({ file, systemRoots, authority }: TrustBundle): boolean {
  const ours = certificateBlocks(authority.chainPem);
  const others = certificateBlocks(systemRoots).filter((block) => !ours.includes(block));
  return publish(file, [...others, ...ours].join(""));
}

/**
 * Writes the chain of our CA alone, for clients that add it to their own roots and may not enter the folder of its key.
 * Like {@link writeTrustBundle}. @throws LarderError `CA_UNWRITABLE`
 */
export function writeAuthorityCopy({ file, authority }: Pick<TrustBundle, "file" | "authority">): boolean {
  return publish(file, authority.chainPem);
}

function publish(file: string, text: string): boolean {
  if (readIfPossible(file) === text) return false;
  makeFolderOfCa(dirname(file), 0o755);
  replaceFile({ file, text, mode: 0o644 });
  return true;
}

function readIfPossible(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
