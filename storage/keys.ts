import { hash } from "node:crypto";
import { type Digest, parseDigest } from "../core/digest.ts";
import { LarderError } from "../core/errors.ts";

const KEY_HASH_BYTES = 16;

/** How the index finds a key: the first 16 bytes of its sha256. */
export function keyHash(key: string): Buffer {
  return hash("sha256", key, "buffer").subarray(0, KEY_HASH_BYTES);
}

/** The sha256 of a text, in hex. */
export function hexHash(text: string): string {
  return hash("sha256", text, "hex");
}

/** A digest as the index keeps it. */
export function toRaw(digest: Digest): Buffer {
  return Buffer.from(digest, "hex");
}

/** @throws LarderError `STORE_UNREADABLE` when the column does not hold a sha256. */
export function fromRaw(raw: Buffer): Digest {
  const digest = parseDigest(raw.toString("hex"));
  if (digest === undefined)
    throw new LarderError("STORE_UNREADABLE", "the index names a blob by something else than a sha256");
  return digest;
}
