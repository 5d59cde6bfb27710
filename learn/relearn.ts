import { setImmediate as nextTurn } from "node:timers/promises";
import { fieldValue, type RawFields } from "../core/fields.ts";
import type { Log } from "../core/log.ts";
import { parseTarget, type TargetUri } from "../core/target.ts";
import { classify } from "../ecosystems/classify.ts";
import { locateMetadata } from "../ecosystems/locate.ts";
import type { MetadataPlace } from "../ecosystems/metadata.ts";
import type { Database } from "../storage/database.ts";
import type { DeclarationIndex } from "../storage/declarations.ts";
import type { Layout } from "../storage/layout.ts";
import { endRelearning, isToRelearn } from "../storage/lost-index.ts";
import type { Watch } from "../storage/maintenance/keeping.ts";
import { type EntryRow, Rows } from "../storage/maintenance/rows.ts";
import type { Store } from "../storage/store.ts";
import type { Learner } from "./learner.ts";

export interface RelearnOptions {
  readonly store: Pick<Store, "find" | "openBlob"> & {
    /** Resolves when the store knows all its blobs. */
    settled(): Promise<void>;
    readonly parts: { readonly db: Database };
  };
  readonly index: Pick<DeclarationIndex, "strongAliases" | "noteAlias">;
  readonly learner: Pick<Learner, "learn" | "hash" | "hold">;
  readonly watch: Watch;
}

export interface Relearnt {
  /** Roots, members and lists of mirrors that declare something. */
  readonly documents: number;
  /** Blobs that are known by another digest again. */
  readonly aliases: number;
  /** It was ended before all was done. */
  readonly isInterrupted: boolean;
}

/** What runs behind the downloads of a larder. */
export interface Relearning {
  /** Resolves when it has ended, whether or not all was learnt. */
  readonly done: Promise<void>;
  /** Ends it after the document under way; the next start begins again. */
  stop(): Promise<void>;
}

interface RelearningPlace {
  readonly layout: Layout;
  readonly log: Log;
}

/**
 * Hashing one delays whatever else is to be learnt by a tenth of a second; packages declared by sha512 alone are small.
 */
const MAX_ALIAS_BYTES = 128 * 1024 * 1024;

/**
 * Learns anew what a store holds, after its declarations or its index were lost: first what stored roots declare, then
 * what their members do, then by what other digests blobs without an entry are declared. One document after the other.
 * @throws what SQLite says about the index
 */
export async function relearn(options: RelearnOptions): Promise<Relearnt> {
  const { store, learner, watch } = options;
  const rows = new Rows(store.parts.db);
  const learning = learnDocuments(rows, options);
  learner.hold(learning.catch(() => undefined));
  const documents = await learning;
  if (!watch.signal.aborted) await store.settled();
  const aliases = await hashUnnamed(rows, options);
  return { documents, aliases, isInterrupted: watch.signal.aborted };
}

/** @returns how many of them declare something */
async function learnDocuments(rows: Rows, options: RelearnOptions): Promise<number> {
  const { watch } = options;
  let documents = 0;
  for (const wanted of ["root", "member"] as const)
    for await (const row of eachOf(rows.entriesOf(wanted), watch)) {
      if (row.status !== 200 || !(await learnEntry(row, options))) continue;
      documents += 1;
      watch.onProgress({ step: "relearn", done: documents });
    }
  return documents;
}

/** Has {@link relearn} done where something is to be learnt again, and says so in the log when it is. */
export function relearnIfLost(options: Omit<RelearnOptions, "watch"> & RelearningPlace): Relearning {
  const { layout, log } = options;
  const patience = new AbortController();
  const work = async (): Promise<void> => {
    const watch: Watch = { signal: patience.signal, onProgress: () => undefined };
    const { documents, aliases, isInterrupted } = await relearn({ ...options, watch });
    if (isInterrupted) return;
    endRelearning(layout);
    if (documents + aliases > 0) log.info({ documents, aliases }, "stored metadata was learnt again");
  };
  const done = isToRelearn(layout) ? work().catch((error: unknown) => noteFailure(log, error)) : Promise.resolve();
  return {
    done,
    stop: () => {
      patience.abort();
      return done;
    },
  };
}

function noteFailure(log: Log, error: unknown): void {
  log.error({ err: error }, "stored metadata could not be learnt again; the next start tries once more");
}

/**
 * Nothing is learnt from a blob that is suspect before it was hashed, which opening it does.
 * @returns whether it declares anything
 */
async function learnEntry(row: EntryRow, { store, learner }: RelearnOptions): Promise<boolean> {
  const { uri, realm, digest, responseMs } = row;
  try {
    (await store.openBlob(digest)).close();
  } catch {
    return false;
  }
  // It may have been replaced meanwhile; then it was learnt, and is not the newest any more.
  const isCurrent = store.find(row.key).some((entry) => entry.digest === digest && entry.realm === realm);
  if (!isCurrent) return false;
  const target = parseTarget(uri);
  const fields = JSON.parse(row.fields) as string[];
  const place = placeOf(target, fields);
  // Members are stored as they are declared, whatever coding their origin named.
  const coding = place === undefined ? undefined : fieldValue(fields, "content-encoding");
  const { kind } = await learner.learn({ target, digest, realm, place, coding, seenMs: responseMs });
  return kind === "learnt" || kind === "known";
}

/** What a request told by what it accepts, its answer tells by what it is. */
function placeOf(target: TargetUri, fields: RawFields): MetadataPlace | undefined {
  const { ecosystem } = classify(target, { accept: fieldValue(fields, "content-type") });
  return locateMetadata(target, ecosystem);
}

/**
 * Entries bring back by what else their blobs are called, when they are used; a blob that none names would never be
 * found.
 */
async function hashUnnamed(rows: Rows, { index, learner, watch }: RelearnOptions): Promise<number> {
  let aliases = 0;
  const algorithms = index.strongAliases();
  if (algorithms.length === 0) return 0;
  for await (const { digest, bytes } of eachOf(rows.unnamedBlobs(), watch)) {
    if (bytes > MAX_ALIAS_BYTES) continue;
    for (const algorithm of algorithms) {
      const alias = await learner.hash(digest, algorithm);
      if (alias !== undefined) index.noteAlias(algorithm, alias, digest);
    }
    aliases += 1;
    watch.onProgress({ step: "hash", done: aliases });
  }
  return aliases;
}

/** One row after the other, with a turn for others between batches, until the watcher has had enough. */
async function* eachOf<Row>(batches: Iterable<readonly Row[]>, { signal }: Watch): AsyncGenerator<Row> {
  for (const batch of batches) {
    for (const row of batch) {
      if (signal.aborted) return;
      yield row;
    }
    await nextTurn();
  }
}
