import unbzip2 from "unbzip2-stream";
import { ByteReader } from "./byte-reader.ts";

/** Of one byte of bzip2 20,000 can be made; this is how much is unpacked between two looks at the caps. */
const SLICE_BYTES = 4096;

/**
 * Unpacks bzip2, with its checks.
 * @throws what unbzip2-stream makes of corrupt or short input; what the source throws.
 */
export async function* decodeBzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = unbzip2();
  const unpacked: Uint8Array[] = [];
  let failure: Error | undefined;
  // It works within write() and end(); nothing comes later.
  stream.on("data", (chunk: Uint8Array) => unpacked.push(chunk));
  stream.on("error", (error: Error) => {
    failure ??= error;
  });
  for await (const slice of slices(source)) {
    stream.write(slice);
    if (failure !== undefined) throw failure;
    yield* unpacked.splice(0);
  }
  stream.end();
  if (failure !== undefined) throw failure;
  yield* unpacked.splice(0);
}

/** Slices of that size, the last one shorter: unbzip2-stream takes a time for each that grows with their number. */
async function* slices(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const reader = new ByteReader(source);
  for (let slice = await reader.peek(SLICE_BYTES); slice.length > 0; slice = await reader.peek(SLICE_BYTES))
    yield await reader.take(slice.length);
}
