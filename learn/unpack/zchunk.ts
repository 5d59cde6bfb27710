import { createHash } from "node:crypto";
import { brokenMetadata } from "../../ecosystems/metadata.ts";
import { ByteReader } from "./byte-reader.ts";
import { readZchunkHeader, type ZchunkEntry } from "./zchunk-header.ts";
import { decodeZstd } from "./zstd.ts";

/** The dictionaries of Fedora have 100 KB. */
const MAX_DICTIONARY_BYTES = 16 * 1024 * 1024;

/** Unpacks one chunk. */
type Unpack = (chunk: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/**
 * Unpacks zchunk, checking its header and every chunk. Dictionaries need a Node whose zlib knows them.
 * @throws LarderError `METADATA_BROKEN`; also what zlib and fzstd throw, and what the source throws.
 */
export async function* decodeZchunk(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(source);
  try {
    const { isZstd, chunks } = await readZchunkHeader(reader);
    const [dictionaryEntry, ...entries] = chunks;
    if (dictionaryEntry === undefined) throw brokenMetadata("its zchunk index is empty");
    const dictionary = await readDictionary(reader, dictionaryEntry, isZstd ? decodeZstd : asItIs);
    const unpack: Unpack = isZstd ? (chunk) => decodeZstd(chunk, dictionary) : asItIs;
    for (const entry of entries) yield* decodeChunk(reader, entry, unpack);
    if ((await reader.peek(1)).length > 0) throw brokenMetadata("something follows the last chunk of its zchunk");
  } finally {
    await reader.close();
  }
}

/** @returns `undefined` when there is none. */
async function readDictionary(reader: ByteReader, entry: ZchunkEntry, unpack: Unpack): Promise<Buffer | undefined> {
  if (entry.unpackedBytes > MAX_DICTIONARY_BYTES) throw brokenMetadata("its zchunk dictionary is too large");
  const parts: Uint8Array[] = [];
  for await (const part of decodeChunk(reader, entry, unpack)) parts.push(part);
  return parts.length === 0 ? undefined : Buffer.concat(parts);
}

async function* decodeChunk(reader: ByteReader, entry: ZchunkEntry, unpack: Unpack): AsyncGenerator<Uint8Array> {
  if (entry.bytes === 0 && entry.unpackedBytes === 0) return;
  const hash = createHash(entry.checksum.algorithm);
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const piece of reader.pieces(entry.bytes)) {
      hash.update(piece);
      yield piece;
    }
  }
  let bytes = 0;
  for await (const part of unpack(hashed())) {
    bytes += part.length;
    if (bytes > entry.unpackedBytes) break;
    yield part;
  }
  if (bytes !== entry.unpackedBytes)
    throw brokenMetadata("a chunk of its zchunk has not the length that the index tells");
  const digest = hash.digest().subarray(0, entry.checksum.digest.length);
  if (!digest.equals(entry.checksum.digest)) throw brokenMetadata("the checksum of a chunk of its zchunk is wrong");
}

function asItIs(chunk: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return chunk;
}
