import { createReadStream } from "node:fs";
import type { DeclaredContent, Emit, MetadataDocument, ReadOutcome } from "../ecosystems/metadata.ts";
import { type DocumentPlace, openReader } from "../ecosystems/readers.ts";
import { decode } from "./unpack/decode.ts";

/** A document on disk, packed as it was stored. */
export interface DocumentSource extends DocumentPlace {
  readonly file: string;
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
  const { file, document, opened } = source;
  const reader = openReader(document.kind, source, emit);
  const packed = createReadStream(file, { highWaterMark: READ_BYTES });
  for await (const chunk of decode(packed, { compression: document.compression, opened })) reader.push(chunk);
  return reader.finish();
}
