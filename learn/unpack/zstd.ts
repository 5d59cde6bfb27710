import { pipeline, Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { Decompress } from "fzstd";
import { brokenMetadata } from "../../ecosystems/metadata.ts";
import { ByteReader } from "./byte-reader.ts";
import { unsupported } from "./unsupported.ts";
import { Xxh64 } from "./xxh64.ts";
import { type FrameHeader, readBlocks, readFrameHeader } from "./zstd-frame.ts";

/** zlib has zstd since Node 22.15, and dictionaries since 22.19 and 24.6; the types of Node 20 know neither. */
type CreateZstdDecompress = (options: { readonly dictionary?: Uint8Array }) => Transform;
const createZstdDecompress: CreateZstdDecompress | undefined = Reflect.get(zlib, "createZstdDecompress");

/** fzstd is silently wrong where a match reaches back further; zlib itself refuses more than 128 MiB. */
const MAX_FZSTD_WINDOW_BYTES = 64 * 1024 * 1024;
/** pzstd makes a frame of some megabytes; each costs a window anew. */
const MAX_FRAMES = 4096;

/**
 * Unpacks zstd (RFC 8878), each frame by itself: zlib stops, and says nothing, after the first frame and at skippable
 * ones.
 * @param dictionary what the frames were packed with, if anything.
 * @throws LarderError `METADATA_BROKEN` when it is cut short or corrupt, or needs what this Node cannot do; also what
 * zlib and fzstd throw.
 */
export async function* decodeZstd(
  source: AsyncIterable<Uint8Array>,
  dictionary?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(source);
  try {
    for (let frames = 0; ; frames++) {
      const header = await readFrameHeader(reader);
      if (header === undefined) return;
      if (frames === MAX_FRAMES) throw unsupported(`it has more than ${MAX_FRAMES} zstd frames`);
      if (header.needsDictionary && dictionary === undefined) throw unsupported("its zstd needs a dictionary");
      yield* decodeFrame(reader, header, dictionary);
    }
  } finally {
    await reader.close();
  }
}

async function* decodeFrame(
  reader: ByteReader,
  header: FrameHeader,
  dictionary: Uint8Array | undefined,
): AsyncGenerator<Uint8Array> {
  const frame =
    createZstdDecompress === undefined
      ? byFzstd(reader, header, dictionary)
      : byZlib(reader, header, createZstdDecompress(dictionary === undefined ? {} : { dictionary }));
  let bytes = 0;
  for await (const chunk of frame) {
    bytes += chunk.length;
    yield chunk;
  }
  if (header.contentBytes !== undefined && header.contentBytes !== bytes)
    throw brokenMetadata("a zstd frame has not the length that its header tells");
}

function byZlib(reader: ByteReader, header: FrameHeader, zstd: Transform): AsyncIterable<Uint8Array> {
  async function* frame(): AsyncGenerator<Buffer> {
    yield header.bytes;
    yield* readBlocks(reader);
    if (header.hasChecksum) yield await reader.take(4);
  }
  // The error, if there is one, comes out of the stream that is read.
  return pipeline(Readable.from(frame()), zstd, () => undefined);
}

async function* byFzstd(
  reader: ByteReader,
  header: FrameHeader,
  dictionary: Uint8Array | undefined,
): AsyncGenerator<Uint8Array> {
  if (dictionary !== undefined) throw unsupported("zstd dictionaries need Node 22.19 or 24.6");
  if (header.windowBytes > MAX_FZSTD_WINDOW_BYTES)
    throw unsupported(`zstd with a window of more than ${MAX_FZSTD_WINDOW_BYTES} bytes needs Node 22.15`);
  const unpacked: Uint8Array[] = [];
  const hash = new Xxh64();
  const zstd = new Decompress((chunk) => unpacked.push(chunk));
  function* flush(): Generator<Uint8Array> {
    for (const chunk of unpacked.splice(0)) {
      hash.update(chunk);
      yield chunk;
    }
  }
  zstd.push(header.bytes);
  for await (const block of readBlocks(reader)) {
    zstd.push(block);
    yield* flush();
  }
  const checksum = await reader.take(header.hasChecksum ? 4 : 0);
  zstd.push(checksum, true);
  yield* flush();
  if (header.hasChecksum && checksum.readUInt32LE() !== hash.low32())
    throw brokenMetadata("the checksum of a zstd frame is wrong");
}
