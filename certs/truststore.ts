import { createHash, createHmac } from "node:crypto";
import { TRUSTSTORE_PASSWORD } from "../core/handout.ts";
import {
  type Asn1,
  bmpString,
  encode,
  explicit,
  integer,
  nothing,
  objectId,
  octetString,
  sequence,
  setOf,
} from "./asn1.ts";
import { certificateBlocks, derOf } from "./pem.ts";

const OID = {
  data: "1.2.840.113549.1.7.1",
  certBag: "1.2.840.113549.1.12.10.1.3",
  x509Certificate: "1.2.840.113549.1.9.22.1",
  friendlyName: "1.2.840.113549.1.9.20",
  /** Java takes a certificate without a key for a root only if it is marked so (sun.security.pkcs12.PKCS12KeyStore). */
  trustedKeyUsage: "2.16.840.1.113894.746875.1.1",
  anyExtendedKeyUsage: "2.5.29.37.0",
  sha1: "1.3.14.3.2.26",
} as const;

/** SHA-1, since Javas before 8u301 know no other: the check is of damage, its password is public. */
const MAC = { algorithm: "sha1", blockBytes: 64, iterations: 1 } as const;
/** RFC 7292 appendix B.3: the diversifier of keys for a MAC. */
const MAC_KEY = 3;

/**
 * A PKCS#12 truststore (RFC 7292) of every certificate of a PEM text, as Java wants it: nothing else of its makes a JVM
 * trust a root without a change of files. The same text gives the same bytes.
 */
export function renderTruststore(rootsPem: string): Buffer {
  const bags = certificateBlocks(rootsPem).map((block, index) => certificateBag(derOf(block), `root-${index + 1}`));
  const contents = encode(sequence(contentInfo(encode(sequence(...bags)))));
  return encode(sequence(integer(Buffer.from([3])), contentInfo(contents), macData(contents)));
}

function certificateBag(der: Buffer, alias: string): Asn1 {
  return sequence(
    objectId(OID.certBag),
    explicit(0, sequence(objectId(OID.x509Certificate), explicit(0, octetString(der)))),
    setOf(
      sequence(objectId(OID.friendlyName), setOf(bmpString(alias))),
      sequence(objectId(OID.trustedKeyUsage), setOf(objectId(OID.anyExtendedKeyUsage))),
    ),
  );
}

function contentInfo(octets: Buffer): Asn1 {
  return sequence(objectId(OID.data), explicit(0, octetString(octets)));
}

function macData(contents: Buffer): Asn1 {
  const salt = createHash(MAC.algorithm).update(contents).digest().subarray(0, 8);
  const digest = createHmac(MAC.algorithm, macKey(salt)).update(contents).digest();
  const digestInfo = sequence(sequence(objectId(OID.sha1), nothing()), octetString(digest));
  return sequence(digestInfo, octetString(salt), integer(Buffer.from([MAC.iterations])));
}

/** RFC 7292 appendix B.2, for a key as long as the digest: one round of it. */
function macKey(salt: Buffer): Buffer {
  const password = Buffer.from(`${TRUSTSTORE_PASSWORD}\0`, "utf16le").swap16();
  const hash = createHash(MAC.algorithm).update(Buffer.alloc(MAC.blockBytes, MAC_KEY));
  for (const part of [salt, password]) hash.update(repeatTo(MAC.blockBytes, part));
  return hash.digest();
}

function repeatTo(bytes: number, part: Buffer): Buffer {
  const length = bytes * Math.ceil(part.length / bytes);
  return Buffer.alloc(length, part);
}
