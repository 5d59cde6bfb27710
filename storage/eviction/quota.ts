import { LarderError } from "../../core/errors.ts";

/**
 * How far ahead of what has arrived an announced length counts as used. Counting the whole announcement would let one
 * false Content-Length evict everything.
 */
const AHEAD_BYTES = 64 * 1024 * 1024;

/** The room that one body under way takes. */
export interface Reservation {
  /** Takes account of bytes that have arrived. @throws LarderError `STORE_UNWRITABLE` when they can never fit. */
  grow(bytes: number): void;
  /** Gives the room back. Idempotent. */
  release(): void;
}

interface Share {
  arrivedBytes: number;
  /** 0 when the origin announced no length. */
  readonly announcedBytes: number;
}

/** Exact account of what a store holds: blobs committed, and bodies on their way in. */
export class Quota {
  /** What its user allows the store; {@link limitBytes} may be less. */
  readonly maxBytes: number;
  readonly #onGrowth: () => void;
  #blobs = 0;
  #blobBytes = 0;
  readonly #shares = new Set<Share>();
  #stagingBytes = 0;
  #reservedBytes = 0;
  #unfinishedBytes = 0;
  /** What bodies under way will need at their end, as far as it is known. */
  #neededBytes = 0;
  #diskBytes = Number.POSITIVE_INFINITY;
  /** Nothing more may be evicted: bodies that would go beyond the limit are refused. */
  isExhausted = false;

  /** @param onGrowth called whenever more is used than before */
  constructor(maxBytes: number, onGrowth: () => void) {
    this.maxBytes = maxBytes;
    this.#onGrowth = onGrowth;
  }

  get blobs(): number {
    return this.#blobs;
  }

  get blobBytes(): number {
    return this.#blobBytes;
  }

  /** What has arrived of bodies under way. */
  get stagingBytes(): number {
    return this.#stagingBytes;
  }

  /** Whether bodies are on their way in. */
  get isFilling(): boolean {
    return this.#shares.size > 0;
  }

  /** Blobs, the room that bodies under way take or take next, and beginnings of bodies that broke off. */
  get usedBytes(): number {
    return this.#blobBytes + this.#reservedBytes + this.#unfinishedBytes;
  }

  /** @param bytes below 0 when one goes */
  addUnfinished(bytes: number): void {
    this.#unfinishedBytes += bytes;
    this.#onGrowth();
  }

  /** What blobs and bodies under way may take together: what the user allows, and the disk. */
  get limitBytes(): number {
    return Math.min(this.maxBytes, this.#diskBytes);
  }

  get isBoundByDisk(): boolean {
    return this.#diskBytes < this.maxBytes;
  }

  /** @param bytes what may still be taken of the disk, as was seen just now; below 0 when too much was */
  noteSpare(bytes: number): void {
    this.#diskBytes = Math.max(0, this.#blobBytes + this.#stagingBytes + this.#unfinishedBytes + bytes);
    this.#onGrowth();
  }

  addBlobs(blobs: number, bytes: number): void {
    this.#blobs += blobs;
    this.#blobBytes += bytes;
    this.#onGrowth();
  }

  removeBlob(bytes: number): void {
    this.#blobs -= 1;
    this.#blobBytes -= bytes;
  }

  /**
   * @param announcedBytes 0 when the origin announced no length
   * @throws LarderError `STORE_UNWRITABLE` when a body of that length can never fit beside the others under way.
   */
  reserve(announcedBytes: number): Reservation {
    this.#refuseBeyondLimit(announcedBytes);
    const share: Share = { arrivedBytes: 0, announcedBytes };
    this.#shares.add(share);
    this.#count(share, 1);
    this.#onGrowth();
    return { grow: (bytes) => this.#grow(share, bytes), release: () => this.#release(share) };
  }

  #grow(share: Share, bytes: number): void {
    const unannouncedBytes = share.arrivedBytes + bytes - Math.max(share.arrivedBytes, share.announcedBytes);
    if (unannouncedBytes > 0) this.#refuseBeyondLimit(unannouncedBytes);
    this.#count(share, -1);
    share.arrivedBytes += bytes;
    this.#count(share, 1);
    this.#onGrowth();
  }

  #release(share: Share): void {
    if (this.#shares.delete(share)) this.#count(share, -1);
  }

  #count({ arrivedBytes, announcedBytes }: Share, sign: 1 | -1): void {
    this.#stagingBytes += sign * arrivedBytes;
    this.#reservedBytes += sign * Math.max(arrivedBytes, Math.min(announcedBytes, arrivedBytes + AHEAD_BYTES));
    this.#neededBytes += sign * Math.max(arrivedBytes, announcedBytes);
  }

  #refuseBeyondLimit(moreBytes: number): void {
    const neededBytes = this.#neededBytes + moreBytes + (this.isExhausted ? this.#blobBytes : 0);
    const { limitBytes } = this;
    if (neededBytes <= limitBytes) return;
    const whose = this.isExhausted ? "bodies under way and what must be kept" : "bodies under way";
    const cure = this.isBoundByDisk ? "free space on the disk, or lower --min-free-space" : "raise --max-bytes";
    throw new LarderError(
      "STORE_UNWRITABLE",
      `${whose} need ${neededBytes} bytes, more than the whole store may hold (${limitBytes}); ${cure}`,
      { details: { reason: this.isBoundByDisk ? "disk" : "limit", neededBytes, maxBytes: limitBytes } },
    );
  }
}
