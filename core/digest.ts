import { createHash, type Hash } from "node:crypto";

declare const digestBrand: unique symbol;

/**
 * A sha256 digest as 64 lower-case hex digits: the name of a blob. Only {@link parseDigest} and {@link Hasher} make
 * one.
 */
export type Digest = string & { readonly [digestBrand]: true };

const SHA256_HEX = /^[0-9a-f]{64}$/;

/** @returns the digest, or `undefined` when the text is not 64 lower-case hex digits. */
export function parseDigest(text: string): Digest | undefined {
  return SHA256_HEX.test(text) ? (text as Digest) : undefined;
}

/** Names bytes by their sha256 as they pass. */
export class Hasher {
  readonly #hash: Hash = createHash("sha256");

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Ends the hasher; call it once. */
  digest(): Digest {
    return this.#hash.digest("hex") as Digest;
  }
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return createHash("sha256").update(bytes).digest("hex") as Digest;
}
