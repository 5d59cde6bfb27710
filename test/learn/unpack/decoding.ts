import { LarderError } from "../../../core/errors.ts";
import { type DecodeOptions, decode } from "../../../learn/unpack/decode.ts";

/** Hands bytes over piece by piece, as a file does. */
export async function* pieces(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

/** Unpacks a document whole. @throws as `decode` does. */
export async function decodeAll(source: AsyncIterable<Uint8Array>, options: DecodeOptions = {}): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of decode(source, options)) parts.push(part);
  return Buffer.concat(parts);
}

/** Why a document is broken; `undefined` when it is whole. Whatever else goes wrong is a fault of the decoder. */
export async function reasonOf(run: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (error instanceof LarderError && error.code === "METADATA_BROKEN") return String(error.details["reason"]);
    throw error;
  }
}
