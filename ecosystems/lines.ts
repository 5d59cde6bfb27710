import { brokenMetadata } from "./metadata.ts";

const LF = 0x0a;
const CR = 0x0d;
/** The longest lines seen (Provides, Depends) have some 100 KB. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;

/** Takes a line as a range of bytes, its end not included; the bytes are only valid during the call. */
export type OnLine = (bytes: Buffer, start: number, end: number) => void;

/** Cuts chunks into lines that end in LF or CRLF, copying only those that two chunks share. */
export class LineSplitter {
  readonly #onLine: OnLine;
  /** The begin of a line whose end has not come yet. */
  readonly #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  constructor(onLine: OnLine) {
    this.#onLine = onLine;
  }

  /** @throws LarderError `METADATA_BROKEN` when a line is too long. */
  push(chunk: Uint8Array): void {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#pendingBytes > 0) {
      const first = bytes.indexOf(LF);
      this.#keep(first < 0 ? bytes : bytes.subarray(0, first));
      if (first < 0) return;
      this.#endPending();
      bytes = bytes.subarray(first + 1);
    }
    let start = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      this.#line(bytes, start, end);
      start = end + 1;
    }
    if (start < bytes.length) this.#keep(bytes.subarray(start));
  }

  /** @throws LarderError `METADATA_BROKEN` when the last line has no end: nobody can tell how much of it is missing. */
  finish(): void {
    if (this.#pendingBytes > 0) throw brokenMetadata("it is cut short: its last line has no end");
  }

  #keep(part: Uint8Array): void {
    this.#pendingBytes += part.length;
    if (this.#pendingBytes > MAX_LINE_BYTES) throw brokenMetadata(`a line is longer than ${MAX_LINE_BYTES} bytes`);
    this.#pending.push(Uint8Array.from(part));
  }

  #endPending(): void {
    const line = Buffer.concat(this.#pending);
    this.#pending.length = 0;
    this.#pendingBytes = 0;
    this.#line(line, 0, line.length);
  }

  #line(bytes: Buffer, start: number, end: number): void {
    if (end - start > MAX_LINE_BYTES) throw brokenMetadata(`a line is longer than ${MAX_LINE_BYTES} bytes`);
    this.#onLine(bytes, start, end > start && bytes[end - 1] === CR ? end - 1 : end);
  }
}
