import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import tar, { type Headers } from "tar-stream";
import type { Layer, LayerEntry } from "./contents.ts";

/** Its types leave out what the library hands over as it is. */
type PaxHeaders = Headers & { readonly pax?: Readonly<Record<string, string>> | null };

/** What is wanted of the files of an image; each costs time. */
export interface ReadingOptions {
  /** Byte strings to look for. */
  readonly marks: readonly Buffer[];
  /** Whether to hash what the files hold. */
  readonly hashes: boolean;
}

/**
 * Reads a layer, an uncompressed tar archive, as it comes; nothing of it is kept but what {@link Layer} tells.
 */
export async function readLayer(archive: Readable, options: ReadingOptions): Promise<Layer> {
  const entries = new Map<string, LayerEntry>();
  const marked: string[] = [];
  const extract = tar.extract();
  const read = async () => {
    for await (const member of extract) {
      const { name, type, size, mode, mtime, linkname, uid, gid, pax }: PaxHeaders = member.header;
      const path = name.replace(/^(\.?\/)+/, "").replace(/\/$/, "");
      const { sha256, isMarked } = await readFile(member, options);
      const facts = { bytes: size ?? 0, mode: mode ?? 0, owner: `${uid}:${gid}`, mtimeMs: mtime?.getTime() ?? 0 };
      const attributes = JSON.stringify(pax ?? {});
      entries.set(path, { type: type ?? "file", ...facts, sha256, target: linkname ?? "", attributes });
      if (isMarked) marked.push(path);
    }
  };
  await Promise.all([pipeline(archive, extract), read()]);
  return { entries, marked };
}

async function readFile(
  content: AsyncIterable<Uint8Array>,
  { marks, hashes }: ReadingOptions,
): Promise<{ readonly sha256: string; readonly isMarked: boolean }> {
  const hash = createHash("sha256");
  const overlap = Math.max(0, ...marks.map((mark) => mark.length - 1));
  let before: Buffer = Buffer.alloc(0);
  let isMarked = false;
  for await (const part of content) {
    const chunk = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    if (hashes) hash.update(chunk);
    if (isMarked || marks.length === 0) continue;
    const seam = Buffer.concat([before, chunk.subarray(0, overlap)]);
    isMarked = marks.some((mark) => chunk.includes(mark) || seam.includes(mark));
    before = Buffer.from(Buffer.concat([before, chunk.subarray(-overlap)]).subarray(-overlap));
  }
  return { sha256: hashes ? hash.digest("hex") : "", isMarked };
}
