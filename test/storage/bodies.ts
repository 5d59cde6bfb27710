import type { Digest } from "../../core/digest.ts";
import { type Entry, type EntryKey, entryKeyOf, PUBLIC_REALM } from "../../core/entry.ts";
import type { EntryDraft, Staging, Store } from "../../storage/store.ts";

/** A draft of a plain 200 for the URI, with whatever the test is about. */
export function draftFor(uri: string, about: Partial<EntryDraft> = {}): EntryDraft {
  return {
    key: entryKeyOf("GET", uri),
    variant: "",
    realm: PUBLIC_REALM,
    status: 200,
    fields: ["Content-Type", "application/octet-stream"],
    selecting: [],
    requestMs: 1_000,
    responseMs: 2_000,
    ...about,
  };
}

export function keyOf(uri: string): EntryKey {
  return draftFor(uri);
}

/** Appends the body in pieces and seals it; the caller commits or aborts, and closes. */
export async function stageBody(store: Store, body: Buffer, pieceBytes = 64 * 1024): Promise<Staging> {
  const staging = await store.stage({ expectedBytes: body.length });
  for (let at = 0; at < body.length; at += pieceBytes) await staging.append(body.subarray(at, at + pieceBytes));
  await staging.seal();
  return staging;
}

/** Stores the body under the URI, from stage to close. */
export async function storeBody(
  store: Store,
  uri: string,
  body: Buffer,
  about: Partial<EntryDraft> = {},
): Promise<Entry> {
  const staging = await stageBody(store, body);
  try {
    return await staging.commit(draftFor(uri, about));
  } finally {
    await staging.close();
  }
}

/** Every byte of the blob, through a stream. */
export async function readBlob(store: Store, digest: Digest): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of await store.openBlob(digest)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What a follower reads of a body under way, from `first` to what has been appended so far. */
export async function readStaged(staging: Staging, first = 0, maxBytes = 64 * 1024): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let at = first; at < staging.appendedBytes; at += chunks.at(-1)?.length ?? 0)
    chunks.push(await staging.read(at, maxBytes));
  return Buffer.concat(chunks);
}

/** What {@link follow} hands over at once. */
export const PIECE = 64 * 1024;

/** Sends the body through staging as a fill does, one reader keeping up. @returns what the reader got */
export async function follow(staging: Staging, body: Buffer): Promise<Buffer> {
  const read: Buffer[] = [];
  for (let at = 0; at < body.length; at += PIECE) {
    await staging.append(body.subarray(at, at + PIECE));
    read.push(await staging.read(at, PIECE));
    staging.forget(at);
  }
  return Buffer.concat(read);
}
