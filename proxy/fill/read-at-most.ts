import type { Readable } from "node:stream";

/** Reads a body to its end; `undefined` when it is longer than that, and has then been destroyed. */
export async function readAtMost(body: Readable, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      // Leaving the loop destroys the body, which undici tells as an error of the request.
      body.on("error", () => undefined);
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
