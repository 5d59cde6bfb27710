import { pipeline, Readable, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { Compression } from "../../ecosystems/metadata.ts";
import { decodeBzip2 } from "./bzip2.ts";
import { decodeXz } from "./xz.ts";
import { decodeZchunk } from "./zchunk.ts";
import { decodeZstd } from "./zstd.ts";

/** Unpacks as it passes, and throws where it is cut short or corrupt. */
export type Decoder = (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** The packed forms of metadata. */
export const DECODERS: Readonly<Record<Compression, Decoder>> = {
  plain: (source) => source,
  gzip: (source) => through(source, createGunzip()),
  xz: decodeXz,
  zstd: decodeZstd,
  bzip2: decodeBzip2,
  zchunk: decodeZchunk,
};

/** The content codings (RFC 9110 §8.4.1) that bytes do not tell by themselves. */
export const CODING_DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["br", decodeBrotli],
  ["deflate", (source) => through(source, createInflate())],
]);

/** Those of nars, by the names that narinfos have for them; Nix knows more, which no public cache uses. */
export const NAR_DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["none", DECODERS.plain],
  ["xz", DECODERS.xz],
  ["zstd", DECODERS.zstd],
  ["br", decodeBrotli],
  ["gzip", DECODERS.gzip],
  ["bzip2", DECODERS.bzip2],
]);

function decodeBrotli(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return through(source, createBrotliDecompress());
}

/** The error, if there is one, comes out of the stream that is read. */
function through(source: AsyncIterable<Uint8Array>, transform: Transform): AsyncIterable<Uint8Array> {
  return pipeline(Readable.from(source), transform, () => undefined);
}
