import { createCipheriv } from "node:crypto";

const FILLER_BYTES = 256 * 1024;

/** Incompressible and the same in every process and run: a key stream under a zero key. */
const FILLER = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(FILLER_BYTES));

/** The bytes a body opens with: its path, so that no two bodies are one blob and a wrong answer is seen. */
export function openingOf(path: string): Buffer {
  return Buffer.from(`${path}\n`);
}

/** The body of that path in chunks of at most 256 KiB. @param bytes its length, more than that of the opening */
export function* bodyChunks(path: string, bytes: number): Generator<Buffer> {
  const opening = openingOf(path);
  yield opening;
  for (let left = bytes - opening.length; left > 0; left -= FILLER_BYTES) {
    yield left < FILLER_BYTES ? FILLER.subarray(0, left) : FILLER;
  }
}

export function wholeBody(path: string, bytes: number): Buffer {
  return Buffer.concat([...bodyChunks(path, bytes)]);
}
