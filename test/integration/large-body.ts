import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { expect } from "vitest";
import { open } from "../support/client.ts";
import type { Larder } from "../support/larder.ts";
import { noise } from "../support/noise.ts";
import type { Handler, Origin } from "../support/origin.ts";

const PATH = "/images/large-1.0.qcow2";
const CHUNK = noise("large body", 1024 * 1024);

/** A body of that many MiB goes through larder into the store and to the client, in little memory, and comes again from the store. */
export async function expectLargeBodyPasses(
  { mebibytes, maxRssMebibytes }: { readonly mebibytes: number; readonly maxRssMebibytes: number },
  larder: Larder,
  origin: Origin,
): Promise<void> {
  origin.serve(PATH, largeBody(mebibytes));
  const expected = createHash("sha256");
  for (let hashed = 0; hashed < mebibytes; hashed++) expected.update(CHUNK);
  const right = expected.digest("hex");
  for (const time of ["cold", "warm"]) {
    expect(await fetchDigest(larder, origin.url + PATH), time).toBe(right);
    expect(await larder.peakRssBytes(), time).toBeLessThan(maxRssMebibytes * 1024 * 1024);
  }
  expect(origin.takeRequests()).toMatchObject([{ bodyBytes: mebibytes * CHUNK.length }]);
}

/** Answers with noise that is never held as a whole. */
function largeBody(mebibytes: number): Handler {
  return (_, response) => {
    response.writeHead(200, { "Content-Length": mebibytes * CHUNK.length, "Cache-Control": "max-age=3600" });
    return pipeline(Readable.from(repeat(CHUNK, mebibytes)), response);
  };
}

function* repeat(chunk: Buffer, times: number): Generator<Buffer> {
  for (let sent = 0; sent < times; sent++) yield chunk;
}

async function fetchDigest(larder: Larder, url: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of (await open(larder, url)) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest("hex");
}
