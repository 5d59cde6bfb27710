/** What a reader needs of the fill it reads. */
interface GrowingBody {
  /** Bytes from `position`; `undefined` at the end. Waits while they are still to come or still held. */
  readAt(position: number, maxBytes: number): Promise<Buffer | undefined>;
  noteProgress(): void;
}

/** One client's way through a fill: its own position, its own speed. */
export class FillReader {
  readonly #body: GrowingBody;
  readonly #last: number;
  readonly #onClose: () => void;
  #position: number;
  #isClosed = false;

  constructor(body: GrowingBody, first: number, last: number | undefined, onClose: () => void) {
    this.#body = body;
    this.#position = first;
    this.#last = last ?? Number.POSITIVE_INFINITY;
    this.#onClose = onClose;
  }

  get position(): number {
    return this.#position;
  }

  /**
   * The next bytes, or `undefined` at the end.
   * @throws the fill's fault: what has been read must not be taken for the whole.
   */
  async next(): Promise<Buffer | undefined> {
    if (this.#position > this.#last) return undefined;
    const bytes = await this.#body.readAt(this.#position, this.#last - this.#position + 1);
    this.#position += bytes?.length ?? 0;
    this.#body.noteProgress();
    return bytes;
  }

  /** All that is left. @throws as {@link FillReader.next} */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (let chunk = await this.next(); chunk !== undefined; chunk = await this.next()) yield chunk;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
  }
}
