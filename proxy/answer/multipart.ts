import type { ByteRange } from "../../core/entry.ts";
import { contentRange } from "../../policy/fields/ranges.ts";
import type { BlobReader } from "../../storage/store.ts";

/** The body of a 206 with several ranges (RFC 9110 §14.6): each piece a head and its bytes, then the tail. */
export interface Multipart {
  readonly contentType: string;
  /** Of the whole body, heads and tail included. */
  readonly bytes: number;
  readonly pieces: readonly { readonly head: Buffer; readonly range: ByteRange }[];
  readonly tail: Buffer;
}

export interface PartsOf {
  /** Of the representation that the parts are of. */
  readonly contentType: string | undefined;
  readonly bytes: number;
  /** Must not occur in the representation. */
  readonly boundary: string;
}

/** Lays the parts out, in the order given. */
export function layOutParts(ranges: readonly ByteRange[], { contentType, bytes, boundary }: PartsOf): Multipart {
  const type = contentType === undefined ? "" : `Content-Type: ${contentType}\r\n`;
  const pieces = ranges.map((range, index) => {
    const start = `${index === 0 ? "" : "\r\n"}--${boundary}\r\n`;
    return {
      range,
      head: Buffer.from(`${start}${type}Content-Range: ${contentRange(range, bytes)}\r\n\r\n`, "latin1"),
    };
  });
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`, "latin1");
  const length = pieces.reduce((sum, { head, range }) => sum + head.length + range.last - range.first + 1, tail.length);
  return { contentType: `multipart/byteranges; boundary=${boundary}`, bytes: length, pieces, tail };
}

export function isMultipart(part: ByteRange | Multipart | "whole"): part is Multipart {
  return part !== "whole" && "pieces" in part;
}

/** What is to be sent of a body that is in memory. */
export function cut(body: Buffer, part: ByteRange | Multipart | "whole"): Buffer {
  if (part === "whole") return body;
  if (!isMultipart(part)) return body.subarray(part.first, part.last + 1);
  const pieces = part.pieces.flatMap(({ head, range }) => [head, body.subarray(range.first, range.last + 1)]);
  return Buffer.concat([...pieces, part.tail]);
}

/**
 * The body; each range is opened before its head is given, and closed whenever the iteration ends. A chunk holds until
 * the next is asked for.
 */
export async function* writeParts(
  { pieces, tail }: Multipart,
  open: (range: ByteRange) => Promise<BlobReader>,
): AsyncGenerator<Buffer, undefined> {
  for (const { head, range } of pieces) {
    const reader = await open(range);
    try {
      yield head;
      yield* reader.lend();
    } finally {
      reader.close();
    }
  }
  yield tail;
}
