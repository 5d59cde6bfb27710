import { brokenMetadata } from "../../ecosystems/metadata.ts";

const NOTHING = Buffer.alloc(0);

/** Reads wanted amounts of bytes from a source that has them in chunks of its own. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #buffer: Buffer = NOTHING;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** The next bytes, without taking them; fewer when the source ends before. */
  async peek(bytes: number): Promise<Buffer> {
    const parts = [this.#buffer];
    for (let missing = bytes - this.#buffer.length; missing > 0; ) {
      const chunk = await this.#next();
      if (chunk === undefined) break;
      parts.push(chunk);
      missing -= chunk.length;
    }
    if (parts.length > 1) this.#buffer = Buffer.concat(parts);
    return this.#buffer.subarray(0, bytes);
  }

  /** Takes the next bytes. @throws LarderError `METADATA_BROKEN` when the source ends before. */
  async take(bytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.pieces(bytes)) parts.push(part);
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  /** Takes the next bytes as they come. @throws LarderError `METADATA_BROKEN` when the source ends before. */
  async *pieces(bytes: number): AsyncGenerator<Buffer> {
    for (let missing = bytes; missing > 0; ) {
      const chunk = this.#buffer.length > 0 ? this.#buffer : await this.#next();
      if (chunk === undefined) throw brokenMetadata("it is cut short");
      const part = chunk.subarray(0, missing);
      this.#buffer = chunk.subarray(part.length);
      missing -= part.length;
      yield part;
    }
  }

  /** Takes all that is left. */
  async *rest(): AsyncGenerator<Buffer> {
    const buffered = this.#buffer;
    this.#buffer = NOTHING;
    if (buffered.length > 0) yield buffered;
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) yield chunk;
  }

  /** Lets go of the source, read whole or not. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<Buffer | undefined> {
    const { done, value } = await this.#chunks.next();
    return done === true ? undefined : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
}
