import type { Declaration, DigestAlgorithm } from "../../core/declaration.ts";
import { type Digest, parseDigest } from "../../core/digest.ts";
import { PUBLIC_REALM, type Realm } from "../../core/entry.ts";
import type { Database } from "../database.ts";
import type { FoundBlob } from "../declarations.ts";
import { fromRaw, toRaw } from "../keys.ts";

/** Digests for which nobody can make other bytes; the others may detect a mismatch, never make a hit. */
export const STRONG: ReadonlySet<DigestAlgorithm> = new Set<DigestAlgorithm>(["sha256", "sha384", "sha512"]);

/** Blobs by digest alone. A digest is not a key to someone else's bytes: who may have a blob was noted when it was stored. */
export class BlobFinder {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
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

  noteAlias(algorithm: DigestAlgorithm, digest: string, blob: Digest): void {
    if (algorithm !== "sha256") this.#statements.note.run(algorithm, Buffer.from(digest, "hex"), toRaw(blob));
  }

  /** Whether or not the payloads are stored yet; of one that is known by another digest than sha256, once it is. */
  noteCompanions(root: Digest, payloads: readonly Declaration[]): void {
    for (const payload of payloads) {
      const blob = this.seenWith(payload);
      if (blob !== undefined) this.#statements.join.run(toRaw(blob), toRaw(root));
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
    note: db.prepare<[string, Buffer, Buffer]>("INSERT OR REPLACE INTO alias (alg, digest, sha256) VALUES (?, ?, ?)"),
  };
}
