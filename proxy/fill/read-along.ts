import { Readable } from "node:stream";

/** Memory for bodies that are read as they pass, shared by all of them. */
export class Room {
  #freeBytes: number;

  constructor(maxBytes: number) {
    this.#freeBytes = maxBytes;
  }

  /** @returns whether there was so much left; it is to be given back then. */
  take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false;
    this.#freeBytes -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#freeBytes += bytes;
  }
}

export interface ReadAlongOptions {
  /** What is longer is not kept together. */
  readonly maxBytes: number;
  readonly room: Room;
  /**
   * Called with all of it, or with `undefined` when that was too much; its last piece goes out when this has resolved.
   */
  readonly onWhole: (whole: Buffer | undefined) => Promise<void>;
}

/** The body as it passes, unless it is cut or left, read as a whole before its last piece goes out. */
export function readAlong(body: Readable, options: ReadAlongOptions): Readable {
  // Whoever leaves destroys the body, which undici tells as an error of the request; who reads on is told of it all the
  // same.
  body.on("error", () => undefined);
  return Readable.from(passing(body, options), { objectMode: false });
}

async function* passing(body: Readable, { maxBytes, room, onWhole }: ReadAlongOptions): AsyncGenerator<Buffer> {
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let isWhole = true;
  let last: Buffer | undefined;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (last !== undefined) yield last;
      last = chunk;
      isWhole &&= keptBytes + chunk.length <= maxBytes && room.take(chunk.length);
      if (isWhole) {
        kept.push(chunk);
        keptBytes += chunk.length;
      } else {
        kept.length = 0;
        room.give(keptBytes);
        keptBytes = 0;
      }
    }
    await onWhole(isWhole ? Buffer.concat(kept) : undefined);
  } finally {
    room.give(keptBytes);
  }
  if (last !== undefined) yield last;
}
