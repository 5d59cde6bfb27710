// The one module of forge that is needed: the whole library would cost every process 10 MB and its start 30 ms.
import type forge from "node-forge";
import asn1 from "node-forge/lib/asn1.js";

const { Class, Type } = asn1;

/** A DER value (X.690) under construction, or as it was read. */
export type Asn1 = forge.asn1.Asn1;

/** From here on a year no longer fits UTCTime (RFC 5280 §4.1.2.5). */
const GENERALIZED_TIME_FROM_MS = Date.UTC(2050, 0, 1);

export function sequence(...members: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, members);
}

export function setOf(...members: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SET, true, members);
}

/** @param dotted such as `2.5.29.19` */
export function objectId(dotted: string): Asn1 {
  return primitive(Type.OID, asn1.oidToDer(dotted).getBytes());
}

/** @param octets big-endian two's complement, already minimal as DER wants it */
export function integer(octets: Buffer): Asn1 {
  return primitive(Type.INTEGER, octets.toString("latin1"));
}

export function boolean(value: boolean): Asn1 {
  return primitive(Type.BOOLEAN, value ? "\xff" : "\x00");
}

export function nothing(): Asn1 {
  return primitive(Type.NULL, "");
}

export function octetString(octets: Buffer): Asn1 {
  return primitive(Type.OCTETSTRING, octets.toString("latin1"));
}

/** @param unusedBits how many of the last octet's low bits do not count */
export function bitString(octets: Buffer, unusedBits = 0): Asn1 {
  return primitive(Type.BITSTRING, String.fromCharCode(unusedBits) + octets.toString("latin1"));
}

export function utf8String(text: string): Asn1 {
  return primitive(Type.UTF8, Buffer.from(text, "utf8").toString("latin1"));
}

/** forge itself writes the characters as two octets each. */
export function bmpString(text: string): Asn1 {
  return primitive(Type.BMPSTRING, text);
}

/** The instant in the type that RFC 5280 §4.1.2.5 prescribes for its year; whole seconds. */
export function time(ms: number): Asn1 {
  const date = new Date(ms);
  return ms < GENERALIZED_TIME_FROM_MS
    ? primitive(Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}

/** `[tag] EXPLICIT` around one value. */
export function explicit(tag: number, value: Asn1): Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag as forge.asn1.Type, true, [value]);
}

/** `[tag] IMPLICIT` in place of the tag of a primitive value. */
export function implicit(tag: number, octets: Buffer): Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag as forge.asn1.Type, false, octets.toString("latin1"));
}

export function encode(value: Asn1): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), "latin1");
}

/** Reads one DER value; the text of the error thrown for anything else is forge's. */
export function decode(der: Buffer): Asn1 {
  return asn1.fromDer(der.toString("latin1"));
}

/** The members of a constructed value; none when it is primitive. */
export function membersOf(value: Asn1 | undefined): readonly Asn1[] {
  return Array.isArray(value?.value) ? value.value : [];
}

/** The content octets of a primitive value; none when it is constructed. */
export function octetsOf(value: Asn1 | undefined): Buffer {
  return Buffer.from(typeof value?.value === "string" ? value.value : "", "latin1");
}

export function isContextTag(value: Asn1, tag: number): boolean {
  return value.tagClass === Class.CONTEXT_SPECIFIC && (value.type as number) === tag;
}

function primitive(type: forge.asn1.Type, bytes: string): Asn1 {
  return asn1.create(Class.UNIVERSAL, type, false, bytes);
}
