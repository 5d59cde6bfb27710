import { isIPv4, isIPv6 } from "node:net";
import {
  type Asn1,
  bitString,
  boolean,
  decode,
  encode,
  implicit,
  integer,
  membersOf,
  objectId,
  octetString,
  octetsOf,
  sequence,
} from "./asn1.ts";

/** RFC 5280 §4.2.1. */
const OID = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
} as const;

/** Tags of GeneralName (RFC 5280 §4.2.1.6). */
const DNS_NAME = 2;
const IP_ADDRESS = 7;

/**
 * A certification authority that may sign leaves but no further authority: `cA TRUE, pathLenConstraint 0` (§4.2.1.9).
 */
export function basicConstraintsOfAuthority(): Asn1 {
  return extension(OID.basicConstraints, sequence(boolean(true), integer(Buffer.of(0))), { critical: true });
}

export function basicConstraintsOfLeaf(): Asn1 {
  return extension(OID.basicConstraints, sequence(), { critical: true });
}

/** `keyCertSign` and `cRLSign`: bits 5 and 6 of §4.2.1.3. */
export function keyUsageOfAuthority(): Asn1 {
  return extension(OID.keyUsage, bitString(Buffer.of(0b0000_0110), 1), { critical: true });
}

/** `digitalSignature`, bit 0 of §4.2.1.3: all that an ECDSA key does in TLS 1.2 and 1.3. */
export function keyUsageOfLeaf(): Asn1 {
  return extension(OID.keyUsage, bitString(Buffer.of(0b1000_0000), 7), { critical: true });
}

export function serverAuthentication(): Asn1 {
  return extension(OID.extKeyUsage, sequence(objectId(OID.serverAuth)));
}

export function subjectKeyIdentifier(keyIdentifier: Buffer): Asn1 {
  return extension(OID.subjectKeyIdentifier, octetString(keyIdentifier));
}

export function authorityKeyIdentifier(keyIdentifier: Buffer): Asn1 {
  return extension(OID.authorityKeyIdentifier, sequence(implicit(0, keyIdentifier)));
}

/**
 * One DNS name, or an IPv4 or IPv6 literal without brackets.
 * @param critical true where the subject is empty (§4.2.1.6)
 */
export function subjectAltName(host: string, { critical }: { readonly critical: boolean }): Asn1 {
  const address = addressOctets(host);
  const name = address === undefined ? implicit(DNS_NAME, Buffer.from(host, "latin1")) : implicit(IP_ADDRESS, address);
  return extension(OID.subjectAltName, sequence(name), { critical });
}

/**
 * The subject key identifier among these extensions, or `undefined` when there is none.
 * @param extensions the members of a certificate's `extensions` field
 */
export function readSubjectKeyIdentifier(extensions: readonly Asn1[]): Buffer | undefined {
  const wanted = encode(objectId(OID.subjectKeyIdentifier));
  for (const members of extensions.map(membersOf)) {
    const [oid] = members;
    if (oid !== undefined && encode(oid).equals(wanted)) return octetsOf(decode(octetsOf(members.at(-1))));
  }
  return undefined;
}

function extension(oid: string, value: Asn1, { critical } = { critical: false }): Asn1 {
  const octets = octetString(encode(value));
  return critical ? sequence(objectId(oid), boolean(true), octets) : sequence(objectId(oid), octets);
}

function addressOctets(host: string): Buffer | undefined {
  if (isIPv4(host)) return Buffer.from(host.split(".").map(Number));
  return isIPv6(host) ? ipv6Octets(host) : undefined;
}

/** The sixteen octets of an IPv6 literal; URL has written `::ffff:192.0.2.1` and its like in groups of hex before. */
function ipv6Octets(host: string): Buffer {
  const [head = "", tail = ""] = new URL(`http://[${host}]`).hostname.slice(1, -1).split("::");
  const before = groupsOf(head);
  const after = groupsOf(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return Buffer.from([...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]));
}

function groupsOf(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}
