import { createHash } from "node:crypto";
import { brokenMetadata } from "../../ecosystems/metadata.ts";
import type { ByteReader } from "./byte-reader.ts";

/**
 * The layout of zchunk 1; (ci) is an integer of seven bits in each byte, lowest first, the last one marked by its top
 * bit:
 *
 *     \0ZCK1 | checksum type (ci) | header size (ci) | header checksum                         lead
 *     data checksum | flags (ci) | compression type (ci) | [optional elements]                 preface
 *     index size (ci) | chunk checksum type (ci) | chunk count (ci) | dict entry | entries …   index
 *     signature count (ci) | signatures …
 *     dict | chunk | chunk | …                                                                 data
 *
 * An entry is: checksum | [checksum unpacked] | length (ci) | length unpacked (ci); the dictionary counts as a chunk.
 * The data checksum is all zeros where the entries have checksums of the unpacked chunks: those of the chunks are
 * checked.
 * @see https://github.com/zchunk/zchunk/blob/main/zchunk_format.txt (read with zck 1.2.3 at hand)
 */
export interface ZchunkHeader {
  readonly isZstd: boolean;
  /** The dictionary first, with a length of 0 where there is none. */
  readonly chunks: readonly ZchunkEntry[];
}

export interface ZchunkEntry {
  readonly bytes: number;
  readonly unpackedBytes: number;
  /** Of the chunk as it stands in the file. */
  readonly checksum: Checksum;
}

export interface Checksum {
  /** As node:crypto names it. */
  readonly algorithm: string;
  /** May be only the begin of a digest. */
  readonly digest: Buffer;
}

const MAGIC = Buffer.from("\0ZCK1", "latin1");
/** SHA-1, SHA-256, SHA-512 and SHA-512/128, by their numbers; the last is the begin of a SHA-512. */
const CHECKSUMS = [
  { algorithm: "sha1", bytes: 20 },
  { algorithm: "sha256", bytes: 32 },
  { algorithm: "sha512", bytes: 64 },
  { algorithm: "sha512", bytes: 16 },
] as const;
const UNCOMPRESSED = 0;
const ZSTD = 2;
const HAS_OPTIONAL_ELEMENTS = 2;
const HAS_UNPACKED_CHECKSUMS = 4;
/** An index of a million chunks has less. */
const MAX_HEADER_BYTES = 64 * 1024 * 1024;
/** Any (ci) of a size that a file can have. */
const MAX_INTEGER_BYTES = 7;

/**
 * Takes the header of a zchunk file.
 * @throws LarderError `METADATA_BROKEN` when it is corrupt or of an unknown kind.
 */
export async function readZchunkHeader(reader: ByteReader): Promise<ZchunkHeader> {
  const lead = new Fields(await reader.peek(MAGIC.length + 2 * MAX_INTEGER_BYTES));
  if (!lead.take(MAGIC.length).equals(MAGIC)) throw brokenMetadata("it is no zchunk file");
  const kind = checksumKind(lead.integer());
  const size = lead.integer();
  if (size > MAX_HEADER_BYTES) throw brokenMetadata("its zchunk header is too large");
  const start = await reader.take(lead.offset);
  const checksum = await reader.take(kind.bytes);
  const rest = await reader.take(size);
  const computed = createHash(kind.algorithm).update(start).update(rest).digest().subarray(0, kind.bytes);
  if (!computed.equals(checksum)) throw brokenMetadata("the checksum of its zchunk header is wrong");
  return parsePreface(new Fields(rest), kind);
}

function parsePreface(fields: Fields, kind: ChecksumKind): ZchunkHeader {
  fields.take(kind.bytes);
  const flags = fields.integer();
  if ((flags & ~(HAS_OPTIONAL_ELEMENTS | HAS_UNPACKED_CHECKSUMS)) !== 0)
    throw brokenMetadata("its zchunk has flags that larder does not know");
  const compression = fields.integer();
  if (compression !== UNCOMPRESSED && compression !== ZSTD)
    throw brokenMetadata("its zchunk is neither plain nor zstd");
  if ((flags & HAS_OPTIONAL_ELEMENTS) !== 0) skipOptionalElements(fields);
  const index = new Fields(fields.take(fields.integer()));
  return { isZstd: compression === ZSTD, chunks: parseIndex(index, (flags & HAS_UNPACKED_CHECKSUMS) !== 0) };
}

function skipOptionalElements(fields: Fields): void {
  for (let left = fields.integer(); left > 0; left--) {
    fields.integer();
    fields.take(fields.integer());
  }
}

function parseIndex(index: Fields, hasUnpackedChecksums: boolean): ZchunkEntry[] {
  const kind = checksumKind(index.integer());
  index.integer(); // the count: the size has said it
  const chunks: ZchunkEntry[] = [];
  while (!index.isAtEnd) {
    const checksum = { algorithm: kind.algorithm, digest: index.take(kind.bytes) };
    if (hasUnpackedChecksums) index.take(kind.bytes);
    chunks.push({ checksum, bytes: index.integer(), unpackedBytes: index.integer() });
  }
  return chunks;
}

type ChecksumKind = (typeof CHECKSUMS)[number];

function checksumKind(type: number): ChecksumKind {
  const kind = CHECKSUMS[type];
  if (kind === undefined) throw brokenMetadata("its zchunk has checksums that larder does not know");
  return kind;
}

/** Takes one field after the other out of bytes. */
class Fields {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get offset(): number {
    return this.#offset;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  take(bytes: number): Buffer {
    const field = this.#bytes.subarray(this.#offset, this.#offset + bytes);
    if (field.length < bytes) throw brokenMetadata("its zchunk header is cut short");
    this.#offset += bytes;
    return field;
  }

  integer(): number {
    let value = 0;
    for (let i = 0; i < MAX_INTEGER_BYTES; i++) {
      const octet = this.take(1)[0] as number;
      value += (octet & 0x7f) * 2 ** (7 * i);
      if ((octet & 0x80) !== 0) return value;
    }
    throw brokenMetadata("a number in its zchunk header is too large");
  }
}
