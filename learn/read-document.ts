import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import type { DeclaredContent, Emit, MetadataDocument, ReadOutcome } from "../ecosystems/metadata.ts";
import { type DocumentPlace, openReader } from "../ecosystems/readers.ts";
import { decode } from "./unpack/decode.ts";

/** A document on disk or in memory, packed as it came. */
export interface DocumentSource extends DocumentPlace {
  readonly file: string;
  /** In place of the file. */
  readonly bytes?: Uint8Array | undefined;
  /** The Content-Encoding that its origin gave it. */
  readonly coding?: string | undefined;
  readonly document: MetadataDocument;
  /** What it has to be once it is unpacked, where its root tells. */
  readonly opened?: DeclaredContent | undefined;
}

/** Large enough that a document of 100 MiB is not thousands of reads, small beside what a reader holds. */
const READ_BYTES = 256 * 1024;

/**
 * Unpacks and reads a whole document, piece by piece.
 * @throws LarderError `METADATA_BROKEN`; what was emitted may not be believed then.
 */
export async function readDocument(source: DocumentSource, emit: Emit): Promise<ReadOutcome> {
  const { file, bytes, coding, document, opened } = source;
  const reader = openReader(document.kind, source, emit);
  const packed = bytes === undefined ? createReadStream(file, { highWaterMark: READ_BYTES }) : Readable.from([bytes]);
  const { compression } = document;
  for await (const chunk of decode(packed, { compression, coding, opened })) reader.push(chunk);
  return reader.finish();
}
