import { createHash, type KeyObject, randomBytes, sign, type X509Certificate } from "node:crypto";
import {
  type Asn1,
  bitString,
  decode,
  encode,
  explicit,
  integer,
  isContextTag,
  membersOf,
  nothing,
  objectId,
  sequence,
  setOf,
  time,
  utf8String,
} from "./asn1.ts";
import { readSubjectKeyIdentifier } from "./extensions.ts";

const OID = {
  commonName: "2.5.4.3",
  organization: "2.5.4.10",
  sha256WithRsa: "1.2.840.113549.1.1.11",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
} as const;

/** `v3` (RFC 5280 §4.1.2.1). */
const VERSION_3 = 2;
const SERIAL_BYTES = 16;
const KEY_IDENTIFIER_BYTES = 20;

/** What a certificate says; the serial number and the signature are added by {@link signCertificate}. */
export interface CertificateContents {
  readonly issuer: Asn1;
  readonly subject: Asn1;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Asn1[];
}

/** What a leaf has to repeat of the certificate that signs it, octet for octet (RFC 5280 §4.1.2.4, §4.2.1.1). */
export interface IssuerNames {
  readonly subject: Asn1;
  readonly keyIdentifier: Buffer;
}

/**
 * Builds and signs a certificate (RFC 5280 §4.1) with sha256.
 * @param signingKey an RSA or EC private key
 * @returns its DER
 */
export function signCertificate(contents: CertificateContents, signingKey: KeyObject): Buffer {
  const algorithm = signatureAlgorithm(signingKey);
  const tbs = sequence(
    explicit(0, integer(Buffer.of(VERSION_3))),
    integer(randomSerial()),
    algorithm,
    contents.issuer,
    sequence(time(contents.notBeforeMs), time(contents.notAfterMs)),
    contents.subject,
    decode(spkiOf(contents.publicKey)),
    explicit(3, sequence(...contents.extensions)),
  );
  return encode(sequence(tbs, algorithm, bitString(sign("sha256", encode(tbs), signingKey))));
}

/** A distinguished name of at most an organization and a common name; empty when neither is given. */
export function distinguishedName(parts: { readonly organization?: string; readonly commonName?: string }): Asn1 {
  const attribute = (oid: string, text: string | undefined): Asn1[] =>
    text === undefined ? [] : [setOf(sequence(objectId(oid), utf8String(text)))];
  return sequence(...attribute(OID.organization, parts.organization), ...attribute(OID.commonName, parts.commonName));
}

/**
 * Names a key in SKI and AKI: the leftmost 160 bits of the sha256 of its SubjectPublicKeyInfo (RFC 7093 §2, method 4).
 */
export function keyIdentifierOf(publicKey: KeyObject): Buffer {
  return createHash("sha256").update(spkiOf(publicKey)).digest().subarray(0, KEY_IDENTIFIER_BYTES);
}

/** @param certificate a v3 certificate; every CA certificate is one, for only v3 has basicConstraints */
export function readIssuerNames(certificate: X509Certificate): IssuerNames {
  const fields = membersOf(membersOf(decode(certificate.raw))[0]);
  const subject = fields[5];
  if (subject === undefined) throw new TypeError("the certificate has no subject field");
  const extensions = fields.find((field) => isContextTag(field, 3));
  const keyIdentifier = readSubjectKeyIdentifier(membersOf(membersOf(extensions)[0]));
  return { subject, keyIdentifier: keyIdentifier ?? keyIdentifierOf(certificate.publicKey) };
}

/** Positive, of full length, and not to be guessed: 126 random bits below a `01` (RFC 5280 §4.1.2.2). */
function randomSerial(): Buffer {
  const serial = randomBytes(SERIAL_BYTES);
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0);
  return serial;
}

/** RFC 4055 §5 wants NULL parameters with RSA, RFC 5758 §3.2 wants none with ECDSA. */
function signatureAlgorithm(key: KeyObject): Asn1 {
  return key.asymmetricKeyType === "rsa"
    ? sequence(objectId(OID.sha256WithRsa), nothing())
    : sequence(objectId(OID.ecdsaWithSha256));
}

function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" });
}
