import { createHash } from "node:crypto";
import { LarderError } from "../../core/errors.ts";
import { brokenMetadata, type Compression, type DeclaredContent } from "../../ecosystems/metadata.ts";
import { ByteReader } from "./byte-reader.ts";
import { CODING_DECODERS, DECODERS } from "./decoders.ts";

/** Larger than any index there is: Fedora's and openSUSE's primary have 200 to 300 MiB. */
const MAX_BYTES = 2 * 1024 * 1024 * 1024;
/** Indexes shrink to a fifth or a twentieth; an archive bomb to a thousandth and less. */
const MAX_RATIO = 250;
/** Up to here any ratio will do: small repeating documents shrink a lot. */
const FREE_BYTES = 32 * 1024 * 1024;

/** How each packed form begins, a character for an octet. None of them is text, so no plain document looks packed. */
const MAGICS: ReadonlyMap<Exclude<Compression, "plain">, (start: string) => boolean> = new Map([
  ["gzip", (start) => start.startsWith("\x1f\x8b\x08")],
  ["xz", (start) => start.startsWith("\xfd7zXZ\0")],
  ["zstd", (start) => start.startsWith("(\xb5/\xfd") || (/^[P-_]/.test(start) && start.startsWith("*M\x18", 1))],
  ["bzip2", (start) => /^BZh[1-9]/.test(start) && BZIP2_BLOCKS.includes(start.slice(4))],
  ["zchunk", (start) => start.startsWith("\0ZCK1")],
]);
/** What begins a block, and what ends a file without any. */
const BZIP2_BLOCKS = ["1AY&SY", "\x17rE8P\x90"];
const MAGIC_BYTES = 10;

export interface DecodeOptions {
  /**
   * What the document's name tells: a packed document must then be packed, though in whatever form its bytes are in.
   */
  readonly compression?: Compression | undefined;
  /** The Content-Encoding that its origin gave it: what the bytes do not tell by themselves is undone first. */
  readonly coding?: string | undefined;
  /** What the document must be once unpacked, where its root tells it. */
  readonly opened?: DeclaredContent | undefined;
  readonly maxBytes?: number;
  readonly maxRatio?: number;
}

/**
 * Unpacks a document as it passes, in bounded memory.
 * @param source its bytes as they are stored; read to the end, or let go when the result is.
 * @throws LarderError `METADATA_BROKEN` when it is cut short, corrupt, not what it should be, or too large; and what
 * the source throws. What was yielded before may not be believed then.
 */
export async function* decode(
  source: AsyncIterable<Uint8Array>,
  options: DecodeOptions = {},
): AsyncGenerator<Uint8Array> {
  const packed = new Meter(source);
  const uncode = CODING_DECODERS.get(options.coding?.trim().toLowerCase() ?? "") ?? DECODERS.plain;
  const reader = new ByteReader(uncode(packed.chunks()));
  try {
    const compression = compressionOf(await reader.peek(MAGIC_BYTES), options.compression);
    const unpacked = DECODERS[compression](reader.rest());
    yield* checked(unpacked, packed, options);
  } catch (error) {
    if (packed.failure !== undefined) throw packed.failure.error;
    if (error instanceof LarderError) throw error;
    throw brokenMetadata(`it cannot be unpacked (${error instanceof Error ? error.message : String(error)})`, error);
  } finally {
    await reader.close();
  }
}

function compressionOf(start: Buffer, named: Compression | undefined): Compression {
  const octets = start.toString("latin1");
  for (const [compression, begins] of MAGICS) if (begins(octets)) return compression;
  if (named !== undefined && named !== "plain") throw brokenMetadata(`it is named ${named} and is not packed`);
  return "plain";
}

/** Counts what has been read of the source, and keeps its error apart from those of decoders. */
class Meter {
  readonly #source: AsyncIterable<Uint8Array>;
  bytes = 0;
  failure: { readonly error: unknown } | undefined;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#source) {
        this.bytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

async function* checked(
  unpacked: AsyncIterable<Uint8Array>,
  packed: Meter,
  { opened, maxBytes = MAX_BYTES, maxRatio = MAX_RATIO }: DecodeOptions,
): AsyncGenerator<Uint8Array> {
  const digest = opened?.digests[0];
  const hash = digest === undefined ? undefined : createHash(digest.algorithm);
  const limit = opened?.bytes ?? maxBytes;
  let bytes = 0;
  for await (const chunk of unpacked) {
    bytes += chunk.length;
    if (bytes > limit) throw brokenMetadata(`unpacked it is larger than ${limit} bytes`);
    if (bytes > Math.max(FREE_BYTES, packed.bytes * maxRatio))
      throw brokenMetadata(`unpacked it is more than ${maxRatio} times as large as packed`);
    hash?.update(chunk);
    yield chunk;
  }
  if (opened?.bytes !== undefined && bytes !== opened.bytes)
    throw brokenMetadata(`unpacked it has ${bytes} bytes instead of ${opened.bytes}`);
  if (digest !== undefined && hash?.digest("hex") !== digest.digest)
    throw brokenMetadata(`unpacked it has not the ${digest.algorithm} that its root declares`);
}
