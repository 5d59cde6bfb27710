import { createHash, type Hash } from "node:crypto";
import type { Declaration } from "../core/declaration.ts";
import { LarderError } from "../core/errors.ts";
import type { Sealed } from "../storage/store.ts";

/** Holds a body against what its repository declares; without a declaration everything passes. */
export class Verifier {
  readonly #declared: Declaration | undefined;
  /** Staging names bytes by sha256; what is declared by another algorithm is hashed beside it. */
  readonly #foreign: Hash | undefined;

  constructor(declared: Declaration | undefined) {
    this.#declared = declared;
    this.#foreign =
      declared === undefined || declared.algorithm === "sha256" ? undefined : createHash(declared.algorithm);
  }

  update(chunk: Buffer): void {
    this.#foreign?.update(chunk);
  }

  mayBeLong(announcedBytes: number): boolean {
    return this.#declared?.bytes === undefined || this.#declared.bytes === announcedBytes;
  }

  isTooLong(receivedBytes: number): boolean {
    return this.#declared?.bytes !== undefined && receivedBytes > this.#declared.bytes;
  }

  /** @param receivedDigest what came, where all of it did. */
  sizeMismatch(receivedBytes: number, receivedDigest?: string): LarderError {
    const { algorithm, digest, bytes } = this.#declared ?? {};
    return new LarderError(
      "SIZE_MISMATCH",
      `the origin has ${receivedBytes} bytes where the repository declares ${bytes}`,
      {
        details: { algorithm, declared: digest, received: receivedDigest, declaredBytes: bytes, receivedBytes },
      },
    );
  }

  /** @throws LarderError `SIZE_MISMATCH` or `DIGEST_MISMATCH` with what was declared and what came. */
  check(sealed: Sealed): void {
    const declared = this.#declared;
    if (declared === undefined) return;
    const received = this.#foreign?.digest("hex") ?? sealed.digest;
    if (!this.mayBeLong(sealed.bytes)) throw this.sizeMismatch(sealed.bytes, received);
    if (received === declared.digest) return;
    const { algorithm, digest } = declared;
    throw new LarderError(
      "DIGEST_MISMATCH",
      `the origin sent ${algorithm} ${received} where the repository declares ${digest}`,
      {
        details: { algorithm, declared: digest, received },
      },
    );
  }
}

/** Whether bytes were not what their repository declares. */
export function isMismatch({ code }: LarderError): boolean {
  return code === "DIGEST_MISMATCH" || code === "SIZE_MISMATCH";
}
