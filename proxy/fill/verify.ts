import { createHash, type Hash } from "node:crypto";
import type { Declaration } from "../../core/declaration.ts";
import { LarderError } from "../../core/errors.ts";
import type { Sealed, Staging } from "../../storage/store.ts";

/**
 * Codings make a body that cannot be compressed longer by a few bytes for each block, and by what begins and ends it.
 */
const MAX_CODED_GROWTH = 1.01;
const CODING_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;

/** Holds a body against what its repository declares; without a declaration everything passes. */
export class Verifier {
  readonly #declared: Declaration | undefined;
  /** Staging names bytes by sha256; what is declared by another algorithm is hashed beside it. */
  readonly #foreign: Hash | undefined;
  readonly #mayBeCoded: boolean;

  /** @param mayBeCoded what comes may be the declared bytes in a content coding: its length says nothing then. */
  constructor(declared: Declaration | undefined, mayBeCoded = false) {
    this.#declared = declared;
    this.#mayBeCoded = mayBeCoded;
    this.#foreign =
      declared === undefined || declared.algorithm === "sha256" ? undefined : createHash(declared.algorithm);
  }

  update(chunk: Buffer): void {
    this.#foreign?.update(chunk);
  }

  /** Takes what is in staging already, as if it had come just now. */
  async readAlong(staging: Pick<Staging, "appendedBytes" | "read">): Promise<void> {
    if (this.#foreign === undefined) return;
    for (let at = 0; at < staging.appendedBytes; ) {
      const chunk = await staging.read(at, READ_BYTES);
      this.update(chunk);
      at += chunk.length;
    }
  }

  mayBeLong(announcedBytes: number): boolean {
    return this.#mayBeCoded || this.#hasLength(announcedBytes);
  }

  isTooLong(receivedBytes: number): boolean {
    if (this.#declared?.bytes === undefined) return false;
    const { bytes } = this.#declared;
    return receivedBytes > (this.#mayBeCoded ? bytes * MAX_CODED_GROWTH + CODING_BYTES : bytes);
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
    if (!this.#hasLength(sealed.bytes)) throw this.sizeMismatch(sealed.bytes, received);
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

  #hasLength(bytes: number): boolean {
    return this.#declared?.bytes === undefined || this.#declared.bytes === bytes;
  }
}

/** Whether bytes were not what their repository declares. */
export function isMismatch({ code }: LarderError): boolean {
  return code === "DIGEST_MISMATCH" || code === "SIZE_MISMATCH";
}
