import type { KeyObject, X509Certificate } from "node:crypto";
import { LarderError } from "../core/errors.ts";
import { type AuthorityFiles, makeMissingFiles } from "./first-start.ts";
import { readPrivateKey } from "./key-file.ts";
import { certificatePem } from "./pem.ts";
import { readCertificates } from "./read.ts";

export interface AuthorityOptions extends AuthorityFiles {
  readonly nowMs: number;
  /** True for larder's own files: makes what is missing. False for files that the user named: they have to exist. */
  readonly create: boolean;
}

/** The certificate authority that signs every leaf: what its files say, checked once as they were loaded. */
export interface Authority extends AuthorityFiles {
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
  /** The certificate that signs the leaves. */
  readonly certificatePem: string;
  /** That certificate, then those above it as far as the file goes: what a client has to trust. */
  readonly chainPem: string;
  /** What a handshake sends after the leaf: the chain without what is self-signed (RFC 8446 §4.4.2). */
  readonly presentedPem: string;
  /** As `openssl x509 -fingerprint -sha256` prints it: upper-case hex with colons. */
  readonly fingerprint256: string;
  /** Such as `O=larder, CN=larder CA 1a2b3c4d`. */
  readonly subject: string;
  readonly notAfterMs: number;
}

const SUPPORTED_CURVES: ReadonlySet<string | undefined> = new Set(["prime256v1", "secp384r1"]);
/** What OpenSSL refuses by itself at its default security level 2 (Debian, Fedora). */
const MIN_RSA_BITS = 2048;

/**
 * Loads the certificate authority; with `create`, after making it at the first start.
 *
 * The certificate file may hold a chain in any order: the certificate that belongs to the key is the one that signs.
 * The key is RSA or EC (P-256, P-384), in PKCS#8, PKCS#1 or SEC 1.
 * @throws LarderError `CA_KEY_EXPOSED` when another user can get at the key, `CA_UNREADABLE` when a file is missing or
 * damaged, `CA_UNUSABLE` when what it holds cannot sign leaves, `CA_UNWRITABLE` when a new one cannot be put in place.
 */
export function loadOrCreateAuthority({ certFile, keyFile, nowMs, create }: AuthorityOptions): Authority {
  const files = { certFile, keyFile };
  if (create) makeMissingFiles(files, nowMs);
  const privateKey = readPrivateKey(keyFile);
  requireSupported(privateKey, files);
  const certificates = readCertificates(certFile);
  const certificate = certificates.find((candidate) => candidate.checkPrivateKey(privateKey));
  if (certificate === undefined)
    throw unusable(files, `no certificate in ${certFile} belongs to the key ${keyFile}; name two files that match`);
  if (!certificate.ca) {
    const cure = "bring one with basicConstraints CA:TRUE and keyUsage keyCertSign";
    throw unusable(files, `the certificate in ${certFile} is not a certificate authority's; ${cure}`);
  }
  const chain = chainFrom(certificate, certificates);
  for (const link of chain) requireValidAt(nowMs, link, files);
  return {
    ...files,
    certificate,
    privateKey,
    certificatePem: certificatePem(certificate.raw),
    chainPem: pemOf(chain),
    presentedPem: pemOf(chain.filter((link) => !isSignedBy(link, link))),
    fingerprint256: certificate.fingerprint256,
    subject: certificate.subject.split("\n").join(", "),
    notAfterMs: Math.min(...chain.map((link) => Date.parse(link.validTo))),
  };
}

/** The certificate and its issuers among the others, each followed by the one that issued it. */
function chainFrom(certificate: X509Certificate, others: readonly X509Certificate[]): X509Certificate[] {
  const chain = [certificate];
  for (let last = certificate; ; ) {
    const issuer = others.find((other) => !chain.includes(other) && isSignedBy(last, other));
    if (issuer === undefined) return chain;
    chain.push(issuer);
    last = issuer;
  }
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function requireSupported(key: KeyObject, files: AuthorityFiles): void {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  const type = key.asymmetricKeyType;
  if (type === "rsa" && modulusLength >= MIN_RSA_BITS) return;
  if (type === "ec" && SUPPORTED_CURVES.has(namedCurve)) return;
  const found = type === "rsa" ? `RSA with ${modulusLength} bits` : (namedCurve ?? String(type));
  const wanted = `RSA with ${MIN_RSA_BITS} bits or more, or EC on P-256 or P-384`;
  throw unusable(files, `the CA key ${files.keyFile} is ${found}; bring ${wanted}`);
}

function requireValidAt(nowMs: number, { subject, validFrom, validTo }: X509Certificate, files: AuthorityFiles): void {
  const name = subject.split("\n").join(", ");
  if (nowMs < Date.parse(validFrom))
    throw unusable(files, `the CA certificate ${name} is valid from ${validFrom} only; set this machine's clock right`);
  if (nowMs >= Date.parse(validTo)) {
    const cure = `remove ${files.certFile} and ${files.keyFile} to have a new CA made, or bring one that is valid`;
    throw unusable(files, `the CA certificate ${name} expired on ${validTo}; ${cure}`);
  }
}

function unusable(files: AuthorityFiles, message: string): LarderError {
  return new LarderError("CA_UNUSABLE", message, { details: { certFile: files.certFile, keyFile: files.keyFile } });
}

function pemOf(certificates: readonly X509Certificate[]): string {
  return certificates.map(({ raw }) => certificatePem(raw)).join("");
}
