import { setImmediate as nextTurn } from "node:timers/promises";
import type { Digest } from "../../core/digest.ts";
import { LarderError } from "../../core/errors.ts";
import { parseUriPattern } from "../../core/uri-pattern.ts";
import type { Watch } from "./keeping.ts";
import type { Rows } from "./rows.ts";

/**
 * A digest, or so many of its first digits that nobody hits another blob by chance; `larder store ls` prints twelve.
 */
const DIGEST_PREFIX = /^[0-9a-f]{8,64}$/;

/** A blob that somebody means, and a URI that names it. */
export interface Meant {
  readonly digest: Digest;
  readonly uri: string | undefined;
}

/** Tells whether a blob is meant: by its digest, or by the URI of an entry that names it. */
export type IsMeant = (blob: Meant) => boolean;

/** @param what digests, beginnings of digests, or URI patterns. @throws LarderError `USAGE` when it is empty */
export function parseSelection(what: readonly string[]): IsMeant {
  if (what.length === 0) throw new LarderError("USAGE", "name a digest, or a pattern such as 'https://example.org/**'");
  const prefixes = what.filter((word) => DIGEST_PREFIX.test(word));
  const patterns = what.filter((word) => !DIGEST_PREFIX.test(word)).map(parseUriPattern);
  return ({ digest, uri }) =>
    prefixes.some((prefix) => digest.startsWith(prefix)) ||
    (uri !== undefined && patterns.some((pattern) => pattern.matches(uri)));
}

/** The blobs of the store that are meant, each once. Ends early when the watcher does. */
export async function selectBlobs(rows: Rows, isMeant: IsMeant, watch: Watch): Promise<readonly Meant[]> {
  const meant = new Map<Digest, Meant>();
  let seen = 0;
  const look = async (batch: readonly Meant[]): Promise<boolean> => {
    for (const { digest, uri } of batch)
      if (!meant.has(digest) && isMeant({ digest, uri })) meant.set(digest, { digest, uri });
    seen += batch.length;
    watch.onProgress({ step: "entries", done: seen });
    await nextTurn();
    return !watch.signal.aborted;
  };
  for (const batch of rows.entries()) if (!(await look(batch))) return [...meant.values()];
  for (const batch of rows.blobs())
    if (!(await look(batch.map(({ digest }) => ({ digest, uri: undefined }))))) return [...meant.values()];
  return [...meant.values()];
}
