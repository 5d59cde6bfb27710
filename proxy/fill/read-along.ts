import { Readable } from "node:stream";

/**
 * The body as it passes; `onWhole` is called with all of it before its last piece goes out, unless it is longer than that or is
 * cut.
 */
export function readAlong(body: Readable, maxBytes: number, onWhole: (whole: Buffer) => void): Readable {
  // Whoever leaves destroys the body, which undici tells as an error of the request; who reads on is told of it all the same.
  body.on("error", () => undefined);
  async function* passing(): AsyncGenerator<Buffer> {
    const read: Buffer[] = [];
    let bytes = 0;
    let last: Buffer | undefined;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (last !== undefined) yield last;
      last = chunk;
      bytes += chunk.length;
      if (bytes <= maxBytes) read.push(chunk);
      else read.length = 0;
    }
    if (bytes <= maxBytes) onWhole(Buffer.concat(read));
    if (last !== undefined) yield last;
  }
  return Readable.from(passing(), { objectMode: false });
}
