import type { Declaration, DigestAlgorithm } from "../../core/declaration.ts";
import { type Digest, parseDigest } from "../../core/digest.ts";
import { PUBLIC_REALM, type Realm } from "../../core/entry.ts";
import { type Database, transact } from "../database.ts";
import type { FoundBlob } from "../declarations.ts";
import { fromRaw, toRaw } from "../keys.ts";

/** Digests for which nobody can make other bytes; the others may detect a mismatch, never make a hit. */
export const STRONG: ReadonlySet<DigestAlgorithm> = new Set<DigestAlgorithm>(["sha256", "sha384", "sha512"]);

/**
 * Blobs by digest alone. A digest is not a key to someone else's bytes: who may have a blob was noted when it was
 * stored.
 */
export class BlobFinder {
  readonly #db: Database;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#db = db;
    this.#statements = prepare(db);
  }

  find({ algorithm, digest, bytes }: Declaration, realm: Realm): FoundBlob | undefined {
    const blob = STRONG.has(algorithm) ? this.seenWith({ algorithm, digest, bytes }) : undefined;
    const row = blob === undefined ? undefined : this.#statements.find.get(toRaw(blob), realm);
    if (row === undefined || (bytes !== undefined && bytes !== row.bytes)) return undefined;
    return { digest: fromRaw(row.sha256), bytes: row.bytes };
  }

  /** Does nothing when the blob has gone meanwhile. */
  grant(blob: Digest, realm: Realm): void {
    this.#statements.grant.run(realm, toRaw(blob));
  }

  /** What was joined to a blob by that digest, before anybody had seen it, is joined to the blob itself. */
  noteAlias(algorithm: DigestAlgorithm, digest: string, blob: Digest): void {
    if (algorithm === "sha256") return;
    const alias = Buffer.from(digest, "hex");
    transact(this.#db, () => {
      this.#statements.note.run(algorithm, alias, toRaw(blob));
      this.#statements.settle.run(toRaw(blob), alias);
    });
  }

  /**
   * Whether or not the payloads are stored yet. One that nobody has seen is joined by the digest that it is declared
   * by, whatever that is: those of different algorithms differ in length.
   */
  noteCompanions(root: Digest, payloads: readonly Declaration[]): void {
    for (const payload of payloads) {
      const blob = this.seenWith(payload) ?? payload.digest;
      this.#statements.join.run(Buffer.from(blob, "hex"), toRaw(root));
    }
  }

  /** The blob that was last seen to have that digest, whether it can be relied on or not. */
  seenWith({ algorithm, digest }: Declaration): Digest | undefined {
    if (algorithm === "sha256") return parseDigest(digest);
    const alias = this.#statements.alias.get(algorithm, Buffer.from(digest, "hex"));
    return alias === undefined ? undefined : fromRaw(alias.sha256);
  }
}

function prepare(db: Database) {
  return {
    find: db.prepare<[Buffer, string], { readonly sha256: Buffer; readonly bytes: number }>(
      `SELECT sha256, bytes FROM blob WHERE sha256 = ?
         AND EXISTS (SELECT 1 FROM access WHERE access.sha256 = blob.sha256 AND realm IN ('${PUBLIC_REALM}', ?))`,
    ),
    alias: db.prepare<[string, Buffer], { readonly sha256: Buffer }>(
      "SELECT sha256 FROM alias WHERE alg = ? AND digest = ?",
    ),
    grant: db.prepare<[string, Buffer]>(
      "INSERT OR IGNORE INTO access (sha256, realm) SELECT sha256, ? FROM blob WHERE sha256 = ?",
    ),
    join: db.prepare<[Buffer, Buffer]>(
      "INSERT OR IGNORE INTO edge (parent_sha256, child_sha256) SELECT sha256, ? FROM blob WHERE sha256 = ?",
    ),
    settle: db.prepare<[Buffer, Buffer]>("UPDATE OR REPLACE edge SET child_sha256 = ? WHERE child_sha256 = ?"),
    note: db.prepare<[string, Buffer, Buffer]>("INSERT OR REPLACE INTO alias (alg, digest, sha256) VALUES (?, ?, ?)"),
  };
}
