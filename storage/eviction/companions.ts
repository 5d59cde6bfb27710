import type { Digest } from "../../core/digest.ts";
import type { Database } from "../database.ts";
import { fromRaw, toRaw } from "../keys.ts";

/**
 * Blobs that are of use together only, and so live and die together: a narinfo (the parent, in the table `edge`) and
 * the nar that it names (its child). The pair is as old as its nar. Pinned, either keeps the other.
 */
export class Companions {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  /**
   * The blobs with all that goes when they go: what names one of them, and what nothing else would name any more; never
   * a pinned one. To be asked before the rows go.
   */
  with(digests: readonly Digest[]): readonly Digest[] {
    const going = new Set(digests);
    // What is added while it is looked through is looked at, too.
    for (const digest of going) {
      for (const { digest: parent, isPinned } of this.#parentsOf(digest)) if (!isPinned) going.add(parent);
      for (const child of this.#childrenOf(digest))
        if (this.#parentsOf(child).every(({ digest: parent }) => going.has(parent))) going.add(child);
    }
    return [...going];
  }

  #parentsOf(child: Digest): readonly { readonly digest: Digest; readonly isPinned: boolean }[] {
    return this.#statements.parents
      .all(toRaw(child))
      .map(({ sha256, pins }) => ({ digest: fromRaw(sha256), isPinned: pins > 0 }));
  }

  #childrenOf(parent: Digest): readonly Digest[] {
    return this.#statements.children.all(toRaw(parent)).map(({ sha256 }) => fromRaw(sha256));
  }
}

function prepare(db: Database) {
  return {
    parents: db.prepare<[Buffer], { readonly sha256: Buffer; readonly pins: number }>(
      "SELECT sha256, pins FROM edge JOIN blob ON sha256 = parent_sha256 WHERE child_sha256 = ?",
    ),
    children: db.prepare<[Buffer], { readonly sha256: Buffer }>(
      "SELECT sha256 FROM edge JOIN blob ON sha256 = child_sha256 WHERE parent_sha256 = ? AND pins = 0",
    ),
  };
}
