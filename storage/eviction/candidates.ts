import type { Digest } from "../../core/digest.ts";
import type { Database } from "../database.ts";
import { fromRaw } from "../keys.ts";

/** A blob that may be evicted. */
export interface Candidate {
  readonly digest: Digest;
  /** What goes with it, itself and its companions. */
  readonly blobs: number;
  readonly bytes: number;
}

/**
 * Which blobs are to be evicted: those last used before that moment, and as many more as are above that sum of bytes.
 */
export interface Bounds {
  readonly maxBytes?: number | undefined;
  readonly usedBeforeMs?: number | undefined;
}

export interface BlobSum {
  readonly blobs: number;
  readonly bytes: number;
}

interface CandidateRow extends BlobSum {
  readonly sha256: Buffer;
  readonly last_used_ms: number;
}

/**
 * What may be evicted, in the order in which it is: least recently used first, roots and members after all others,
 * never what is pinned. A root goes when what it lives and dies with goes ({@link Companions}), and is no candidate
 * before.
 */
export class Candidates {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  /** The first of those that were last used before that moment. */
  next(limit: number, usedBeforeMs = Number.MAX_SAFE_INTEGER): readonly Candidate[] {
    return this.#statements.next
      .all(usedBeforeMs, limit)
      .map(({ sha256, blobs, bytes }) => ({ digest: fromRaw(sha256), blobs, bytes }));
  }

  /**
   * What eviction to these bounds would take away now: the old first, then whatever is too much, least recently used
   * first.
   */
  sumBeyond({ maxBytes = Number.POSITIVE_INFINITY, usedBeforeMs = Number.NEGATIVE_INFINITY }: Bounds): BlobSum {
    const sum = { blobs: 0, bytes: 0 };
    const add = ({ blobs, bytes }: BlobSum): void => {
      sum.blobs += blobs;
      sum.bytes += bytes;
    };
    const totalBytes = this.#statements.total.get()?.bytes ?? 0;
    const all = this.#statements.next.all(Number.MAX_SAFE_INTEGER, -1);
    for (const row of all) if (row.last_used_ms < usedBeforeMs) add(row);
    for (const row of all) {
      if (totalBytes - sum.bytes <= maxBytes) break;
      if (row.last_used_ms >= usedBeforeMs) add(row);
    }
    return sum;
  }
}

function prepare(db: Database) {
  // A parent has one child, so that none is counted twice.
  const parents = "FROM edge JOIN blob AS parent ON parent.sha256 = parent_sha256 WHERE child_sha256 = blob.sha256";
  return {
    next: db.prepare<[number, number], CandidateRow>(
      `SELECT sha256, last_used_ms, 1 + (SELECT count(*) ${parents}) AS blobs,
         bytes + (SELECT coalesce(sum(parent.bytes), 0) ${parents}) AS bytes
       FROM blob WHERE pins = 0 AND last_used_ms < ?
         AND NOT EXISTS (SELECT 1 ${parents} AND parent.pins > 0)
         AND NOT EXISTS (SELECT 1 FROM edge JOIN blob AS child ON child.sha256 = child_sha256
           WHERE parent_sha256 = blob.sha256)
       ORDER BY keep, last_used_ms LIMIT ?`,
    ),
    total: db.prepare<[], Pick<BlobSum, "bytes">>("SELECT coalesce(sum(bytes), 0) AS bytes FROM blob"),
  };
}
