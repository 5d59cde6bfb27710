import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { LarderError } from "../core/errors.ts";
import { basicConstraintsOfAuthority, keyUsageOfAuthority, subjectKeyIdentifier } from "./extensions.ts";
import { makeFolderOfCa, publishOnce } from "./files.ts";
import { readPrivateKey, requirePrivateFolder } from "./key-file.ts";
import { certificatePem } from "./pem.ts";
import { CLOCK_SKEW_MS, DAY_MS } from "./validity.ts";
import { distinguishedName, keyIdentifierOf, signCertificate } from "./x509.ts";

export interface AuthorityFiles {
  /** PEM of the CA certificate, with those above it where there are any. */
  readonly certFile: string;
  /** PEM of its private key, without a pass phrase; mode 0600. */
  readonly keyFile: string;
}

/** Ten years: trust is handed out by hand, and an image built today may be rebuilt long after. */
const AUTHORITY_VALID_MS = 3652 * DAY_MS;

/**
 * Makes a P-256 authority where none stands: a folder that only this user may enter, then the key (0600), then its
 * certificate (0644).
 *
 * Certificate and key agree whatever interrupts this, and however many processes start at once: each file is published
 * whole and once, the key first, and a certificate is only ever made for the key that stands on disk. Its subject and
 * key identifier follow from that key.
 * @throws LarderError `CA_KEY_EXPOSED`, `CA_UNWRITABLE`; `CA_UNUSABLE` when the certificate stands without its key.
 */
export function makeMissingFiles({ certFile, keyFile }: AuthorityFiles, nowMs: number): void {
  makeFolderOfCa(dirname(keyFile), 0o700);
  makeFolderOfCa(dirname(certFile), 0o700);
  requirePrivateFolder(dirname(keyFile));
  // In this order: whoever publishes does the key first, so a certificate seen here means that a key was there before.
  const hasCertificate = existsSync(certFile);
  const hasKey = existsSync(keyFile);
  if (hasCertificate && !hasKey) {
    const cure = `put it back, or remove ${certFile} to have a new CA made, which clients then have to trust`;
    throw new LarderError("CA_UNUSABLE", `${certFile} stands without its key ${keyFile}; ${cure}`, {
      details: { certFile, keyFile },
    });
  }
  if (!hasKey) publishOnce({ file: keyFile, text: newKeyPem(), mode: 0o600 });
  if (!hasCertificate) {
    const text = certificatePem(selfSignedAuthority(readPrivateKey(keyFile), nowMs));
    publishOnce({ file: certFile, text, mode: 0o644 });
  }
}

function newKeyPem(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/**
 * The profile of RFC 5280 §4.2.1 for a root that signs leaves only. Its name tells apart the CAs of several machines.
 */
function selfSignedAuthority(privateKey: KeyObject, nowMs: number): Buffer {
  const publicKey = createPublicKey(privateKey);
  const keyIdentifier = keyIdentifierOf(publicKey);
  const commonName = `larder CA ${keyIdentifier.toString("hex").slice(0, 8)}`;
  const name = distinguishedName({ organization: "larder", commonName });
  const contents = {
    issuer: name,
    subject: name,
    notBeforeMs: nowMs - CLOCK_SKEW_MS,
    notAfterMs: nowMs + AUTHORITY_VALID_MS,
    publicKey,
    extensions: [basicConstraintsOfAuthority(), keyUsageOfAuthority(), subjectKeyIdentifier(keyIdentifier)],
  };
  return signCertificate(contents, privateKey);
}
