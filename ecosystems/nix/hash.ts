import type { DigestAlgorithm } from "../../core/declaration.ts";
import { algorithmNamed, orderDigests } from "../declarations.ts";
import { parseIntegrity } from "../integrity.ts";
import type { DeclaredDigest } from "../metadata.ts";

/**
 * Nix's base 32: without e, o, t and u, the last digit first. @see https://nix.dev/manual/nix/latest/protocols/nix32
 */
const ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";
const BYTES: Readonly<Record<DigestAlgorithm, number>> = { sha512: 64, sha384: 48, sha256: 32, sha1: 20, md5: 16 };

/**
 * Reads a hash as Nix writes it: `sha256:` and base 32, base 16 or base 64, or `sha256-` and base 64.
 * @returns `undefined` when it is none, or not of a kind that larder can compute.
 */
export function parseNixHash(text: string): DeclaredDigest | undefined {
  const [, name, digits] = /^([a-z0-9]+):(\S+)$/.exec(text) ?? [];
  if (name === undefined || digits === undefined) return orderDigests(parseIntegrity(text))[0];
  const algorithm = algorithmNamed(name);
  if (algorithm === undefined) return undefined;
  return orderDigests({ [algorithm]: hexOf(digits, BYTES[algorithm]) })[0];
}

/** The encodings differ in length for every kind of hash. */
function hexOf(digits: string, bytes: number): string | undefined {
  if (digits.length === bytes * 2) return digits;
  if (digits.length === Math.ceil((bytes * 8) / 5)) return decodeBase32(digits, bytes)?.toString("hex");
  return /^[A-Za-z0-9+/]+={0,2}$/.test(digits) ? Buffer.from(digits, "base64").toString("hex") : undefined;
}

function decodeBase32(digits: string, bytes: number): Buffer | undefined {
  const decoded = Buffer.alloc(bytes + 1);
  for (let i = 0; i < digits.length; i++) {
    const value = ALPHABET.indexOf(digits.charAt(digits.length - 1 - i));
    if (value < 0) return undefined;
    const bit = i * 5;
    const at = Math.floor(bit / 8);
    decoded.writeUInt16LE(decoded.readUInt8(at) | (value << (bit % 8)) | ((decoded[at + 1] ?? 0) << 8), at);
  }
  // What does not fit into the hash must be zero: else two texts would be one hash.
  return decoded[bytes] === 0 ? decoded.subarray(0, bytes) : undefined;
}

/** A digest in hex in Nix's base 32. */
export function toNixBase32(hex: string): string {
  const bytes = Buffer.from(hex, "hex");
  let digits = "";
  for (let i = Math.ceil((bytes.length * 8) / 5) - 1; i >= 0; i--) {
    const bit = i * 5;
    const at = Math.floor(bit / 8);
    const pair = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    digits += ALPHABET.charAt((pair >> (bit % 8)) & 31);
  }
  return digits;
}
