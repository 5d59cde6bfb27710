import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { parseNixHash, toNixBase32 } from "./hash.ts";
import { NarinfoFields } from "./narinfo-fields.ts";

/** Ed25519 keys by their names, which stand before each signature. */
export type NixKeys = ReadonlyMap<string, KeyObject>;

const ED25519_BYTES = 32;

/**
 * Reads `name:base64`, as `nix-store --generate-binary-cache-key` and `trusted-public-keys` have it.
 * @returns `undefined` when it is none.
 */
export function readNixKey(written: string): readonly [name: string, key: KeyObject] | undefined {
  const [, name, base64] = /^([^:\s]+):([A-Za-z0-9+/]+={0,2})$/.exec(written) ?? [];
  const bytes = Buffer.from(base64 ?? "", "base64");
  if (name === undefined || bytes.length !== ED25519_BYTES) return undefined;
  const jwk = { kty: "OKP", crv: "Ed25519", x: bytes.toString("base64url") };
  return [name, createPublicKey({ key: jwk, format: "jwk" })];
}

/** The keys among what was written. */
export function readNixKeys(written: readonly string[]): NixKeys {
  const keys = new Map<string, KeyObject>();
  for (const text of written) {
    const [name, key] = readNixKey(text) ?? [];
    if (name !== undefined && key !== undefined) keys.set(name, key);
  }
  return keys;
}

/**
 * Whether one of the keys signed the narinfo. The signature is on what it says of the path, its nar and its references,
 * not on where the file is or how it is packed.
 * @returns the name of the key. @throws LarderError `METADATA_BROKEN`
 */
export function signerOf(text: Uint8Array, keys: NixKeys): string | undefined {
  const narinfo = new NarinfoFields();
  narinfo.push(text);
  narinfo.finish();
  const fingerprint = fingerprintOf(narinfo);
  if (fingerprint === undefined) return undefined;
  for (const written of narinfo.signatures) {
    const [name = "", signature = ""] = written.split(":", 2);
    const key = keys.get(name);
    if (key !== undefined && verify(null, Buffer.from(fingerprint), key, Buffer.from(signature, "base64"))) return name;
  }
  return undefined;
}

/** `1;<path>;<nar hash>;<nar size>;<references>`, the references as whole paths in order (Nix, path-info.cc). */
function fingerprintOf(narinfo: NarinfoFields): string | undefined {
  const path = narinfo.get("StorePath");
  const hash = parseNixHash(narinfo.get("NarHash"));
  if (hash === undefined) return undefined;
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const names = narinfo
    .get("References")
    .split(" ")
    .filter((name) => name !== "");
  const references = names.sort().map((name) => folder + name);
  const narHash = `${hash.algorithm}:${toNixBase32(hash.digest)}`;
  return ["1", path, narHash, narinfo.get("NarSize"), references.join(",")].join(";");
}
