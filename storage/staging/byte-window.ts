/** The most recent bytes of a growing body, as the chunks they came in: nothing is copied. */
export class ByteWindow {
  #chunks: Buffer[] = [];
  /** Where each chunk begins in the body. */
  #starts: number[] = [];
  #start = 0;
  #end = 0;

  /** Position of the first byte held; equal to `end` when none is. */
  get start(): number {
    return this.#start;
  }

  /** Position behind the last byte that was appended. */
  get end(): number {
    return this.#end;
  }

  append(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#starts.push(this.#end);
    this.#end += chunk.length;
  }

  /** Bytes from `position` on, of one chunk, at most `maxBytes`; `undefined` when that position is not held. */
  bytesAt(position: number, maxBytes: number): Buffer | undefined {
    if (position < this.#start || position >= this.#end) return undefined;
    const index = this.#indexOf(position);
    const offset = position - (this.#starts[index] as number);
    return (this.#chunks[index] as Buffer).subarray(offset, offset + maxBytes);
  }

  /** The bytes from `position` on, `maxBytes` at most, in the chunks they came in. */
  chunksFrom(position: number, maxBytes: number): Buffer[] {
    const chunks: Buffer[] = [];
    let left = maxBytes;
    let bytes = this.bytesAt(position, left);
    while (bytes !== undefined && bytes.length > 0) {
      chunks.push(bytes);
      left -= bytes.length;
      bytes = this.bytesAt(position + maxBytes - left, left);
    }
    return chunks;
  }

  /** Lets go of every chunk that lies wholly before `position`. */
  dropBefore(position: number): void {
    const kept = position >= this.#end ? this.#chunks.length : this.#indexOf(Math.max(position, this.#start));
    if (kept <= 0) return;
    this.#chunks = this.#chunks.slice(kept);
    this.#starts = this.#starts.slice(kept);
    this.#start = this.#starts[0] ?? this.#end;
  }

  /** The index of the chunk that holds `position`, by bisection. */
  #indexOf(position: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] as number) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
