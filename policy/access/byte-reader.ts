/** Reads big-endian numbers and length-prefixed vectors (RFC 8446 §3.4) in order. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** @throws RangeError when fewer bytes are left. */
  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("the vector is longer than what holds it");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** @param width in bytes. @throws RangeError when fewer bytes are left. */
  number(width: number): number {
    return this.take(width).reduce((value, byte) => value * 256 + byte, 0);
  }

  /**
   * A vector whose length stands before it.
   * @param width of the length, in bytes.
   * @throws RangeError when fewer bytes are left.
   */
  vector(width: number): ByteReader {
    return new ByteReader(this.take(this.number(width)));
  }

  /** What is left, as Latin-1. */
  text(): string {
    return Buffer.from(this.take(this.#bytes.length - this.#at)).toString("latin1");
  }
}
