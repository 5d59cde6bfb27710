import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { LarderError } from "../core/errors.ts";
import type { Authority } from "./authority.ts";
import {
  authorityKeyIdentifier,
  basicConstraintsOfLeaf,
  keyUsageOfLeaf,
  serverAuthentication,
  subjectAltName,
  subjectKeyIdentifier,
} from "./extensions.ts";
import { certificatePem } from "./pem.ts";
import { CLOCK_SKEW_MS, DAY_MS } from "./validity.ts";
import { distinguishedName, type IssuerNames, keyIdentifierOf, readIssuerNames, signCertificate } from "./x509.ts";

/**
 * With the backdated day 44 days in all: below the 45 that public CAs are coming down to and clients may come to
 * expect.
 */
const LEAF_VALID_MS = 43 * DAY_MS;
/** `ub-common-name` (RFC 5280 appendix A.1). */
const MAX_COMMON_NAME = 64;

export interface Leaf {
  /** The certificate alone. */
  readonly certificatePem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Signs leaf certificates, all for one P-256 key that lives and dies with the process. */
export class LeafIssuer {
  readonly #authority: Authority;
  readonly #issuer: IssuerNames;
  readonly #publicKey: KeyObject;
  readonly #keyIdentifier: Buffer;
  /** PKCS#8 PEM of the key of every leaf. */
  readonly keyPem: string;

  constructor(authority: Authority) {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#authority = authority;
    this.#issuer = readIssuerNames(authority.certificate);
    this.#publicKey = publicKey;
    this.#keyIdentifier = keyIdentifierOf(publicKey);
    this.keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  }

  /**
   * Signs a leaf for one host: backdated a day, valid for less than 45 days and no longer than the authority.
   * @param host a name, or an IPv4 or IPv6 literal without brackets, which becomes an address in the certificate
   * @throws LarderError `CA_UNUSABLE` when the authority has expired since it was loaded
   */
  issue(host: string, nowMs: number): Leaf {
    const { notAfterMs: authorityEndsMs, privateKey, subject, certFile } = this.#authority;
    if (nowMs >= authorityEndsMs)
      throw new LarderError(
        "CA_UNUSABLE",
        `the CA ${subject} in ${certFile} has expired; start larder again with a valid one`,
      );
    const validity = {
      notBeforeMs: nowMs - CLOCK_SKEW_MS,
      notAfterMs: Math.min(nowMs + LEAF_VALID_MS, authorityEndsMs),
    };
    const isNamed = host.length <= MAX_COMMON_NAME;
    const der = signCertificate(
      {
        ...validity,
        issuer: this.#issuer.subject,
        subject: distinguishedName(isNamed ? { commonName: host } : {}),
        publicKey: this.#publicKey,
        extensions: [
          basicConstraintsOfLeaf(),
          keyUsageOfLeaf(),
          serverAuthentication(),
          subjectKeyIdentifier(this.#keyIdentifier),
          authorityKeyIdentifier(this.#issuer.keyIdentifier),
          subjectAltName(host, { critical: !isNamed }),
        ],
      },
      privateKey,
    );
    return { certificatePem: certificatePem(der), ...validity };
  }
}
