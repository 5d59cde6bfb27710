import { brokenMetadata } from "../../ecosystems/metadata.ts";
import type { ByteReader } from "./byte-reader.ts";

const MAGIC = 0xfd2fb528;
/** Skippable frames have sixteen magic numbers: 0x184D2A50 to 0x184D2A5F (RFC 8878 §3.1.2). */
const SKIPPABLE = 0x184d2a5;
const MAX_BLOCK_BYTES = 128 * 1024;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** The header of a frame (RFC 8878 §3.1.1.1). */
export interface FrameHeader {
  /** The header itself, its magic number included. */
  readonly bytes: Buffer;
  /** How far back a match may reach. */
  readonly windowBytes: number;
  /** Length of the frame unpacked, where it is told. */
  readonly contentBytes: number | undefined;
  readonly hasChecksum: boolean;
  readonly needsDictionary: boolean;
}

/**
 * Takes the header of the next frame, passing over skippable ones.
 * @returns `undefined` at the end of the source. @throws LarderError `METADATA_BROKEN` when no frame begins here.
 */
export async function readFrameHeader(reader: ByteReader): Promise<FrameHeader | undefined> {
  for (;;) {
    const start = await reader.peek(5);
    if (start.length === 0) return undefined;
    if (start.length < 5) throw brokenMetadata("it is cut short in the header of a zstd frame");
    const magic = start.readUInt32LE();
    if (magic === MAGIC) return parseHeader(await reader.take(headerBytes(start[4] as number)));
    if (magic >>> 4 !== SKIPPABLE) throw brokenMetadata("what follows is no zstd frame");
    const size = (await reader.take(8)).readUInt32LE(4);
    for await (const _ of reader.pieces(size));
  }
}

/** Takes the blocks of the frame whose header was read, each whole with its own header, the last one included. */
export async function* readBlocks(reader: ByteReader): AsyncGenerator<Buffer> {
  for (let isLast = false; !isLast; ) {
    const start = await reader.peek(3);
    const header = start.length < 3 ? await reader.take(3) : start;
    const word = header.readUIntLE(0, 3);
    const type = (word >>> 1) & 3;
    const size = word >>> 3;
    if (type === RESERVED_BLOCK || size > MAX_BLOCK_BYTES) throw brokenMetadata("a block of its zstd frame cannot be");
    isLast = (word & 1) === 1;
    yield await reader.take(3 + (type === RLE_BLOCK ? 1 : size));
  }
}

/** @param descriptor the byte after the magic number. */
function headerBytes(descriptor: number): number {
  const { hasWindow, dictionaryIdBytes, contentSizeBytes } = parseDescriptor(descriptor);
  return 5 + (hasWindow ? 1 : 0) + dictionaryIdBytes + contentSizeBytes;
}

function parseDescriptor(descriptor: number) {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >>> 6;
  return {
    hasWindow: !isSingleSegment,
    hasChecksum: (descriptor & 0x04) !== 0,
    dictionaryIdBytes: [0, 1, 2, 4][descriptor & 3] as number,
    contentSizeBytes: sizeFlag === 0 && isSingleSegment ? 1 : ([0, 2, 4, 8][sizeFlag] as number),
  };
}

function parseHeader(bytes: Buffer): FrameHeader {
  const { hasWindow, hasChecksum, dictionaryIdBytes, contentSizeBytes } = parseDescriptor(bytes[4] as number);
  const dictionaryId = bytes.subarray(hasWindow ? 6 : 5).subarray(0, dictionaryIdBytes);
  const contentBytes = parseContentSize(bytes.subarray(bytes.length - contentSizeBytes));
  return {
    bytes,
    windowBytes: hasWindow ? windowBytesOf(bytes[5] as number) : (contentBytes ?? 0),
    contentBytes,
    hasChecksum,
    needsDictionary: dictionaryId.some((octet) => octet !== 0),
  };
}

/** The field of two bytes begins to count at 256. */
function parseContentSize(field: Buffer): number | undefined {
  if (field.length === 0) return undefined;
  if (field.length === 8) return Number(field.readBigUInt64LE());
  return field.readUIntLE(0, field.length) + (field.length === 2 ? 256 : 0);
}

/** RFC 8878 §3.1.1.1.2 */
function windowBytesOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}
