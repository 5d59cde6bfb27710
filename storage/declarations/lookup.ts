import type { Declaration } from "../../core/declaration.ts";
import type { Database } from "../database.ts";
import type { DeclaredAs, FindOptions } from "../declarations.ts";
import { fromRaw } from "../keys.ts";
import type { Base } from "./bases.ts";

/** A declaration about one path below one base, by one live generation. */
export interface Candidate extends DeclaredAs {
  readonly kind: "payload" | "member";
  readonly isIndex: boolean;
  readonly ecosystem: string;
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly arch: string | undefined;
  readonly publishedMs: number | undefined;
  /** Whether the root stands at the base itself. */
  readonly isOwn: boolean;
  /** Who must be believed when it does not: the root's own URI, or that of a mirror list. Configuration is believed. */
  readonly delegatedBy: string | undefined;
  readonly isNewest: boolean;
}

interface CandidateRow {
  readonly alg: Declaration["algorithm"];
  readonly digest: Buffer;
  readonly bytes: number | null;
  readonly kind: "payload" | "member";
  readonly is_index: number;
  readonly name: string | null;
  readonly version: string | null;
  readonly arch: string | null;
  readonly published_ms: number | null;
  readonly ecosystem: string;
  readonly declared_by: Buffer;
  readonly root_sha256: Buffer;
  readonly root_uri: string;
  readonly seen_ms: number;
  readonly is_own: number;
  readonly delegated_by: string | null;
  readonly is_newest: number;
}

/** Every live declaration about a path below a base, in no order. */
export class DeclarationLookup {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  at(base: Base, path: string, nowMs: number): readonly Candidate[] {
    const own = this.#statements.standing.all({ base: base.id, url: base.url, path });
    if (!base.isMirror) return own.map(toCandidate);
    const place = { base: base.id, url: base.url, path, now: nowMs };
    return [...own, ...this.#statements.mirrored.all(place), ...this.#statements.vouched.all(place)].map(toCandidate);
  }
}

/**
 * Puts candidates in the order in which they are believed: the generation that the client took, those that stand at the
 * base itself, the newest of each root, those seen last.
 */
export function byTrust(prefers: FindOptions["prefers"]): (one: Candidate, other: Candidate) => number {
  const rank = ({ root, isOwn, isNewest }: Candidate) =>
    (prefers?.(root.digest) === true ? 4 : 0) + (isOwn ? 2 : 0) + (isNewest ? 1 : 0);
  return (one, other) => rank(other) - rank(one) || other.root.seenMs - one.root.seenMs;
}

/** The columns that every lookup gives; `decl`, `document` and `root` are what it joins. */
const COLUMNS = `decl.alg, decl.digest, decl.bytes, decl.kind, decl.reading IS NOT NULL AS is_index, decl.name, decl.version,
  decl.arch, decl.published_ms, document.ecosystem, document.sha256 AS declared_by, root.sha256 AS root_sha256`;
/** From a path to the generations that declare it; CROSS JOIN keeps SQLite from starting at the other end. */
const GENERATIONS = `decl CROSS JOIN document ON document.id = decl.doc_id CROSS JOIN generation ON generation.doc_id = decl.doc_id
  CROSS JOIN document AS root ON root.id = generation.root_id`;
const IS_NEWEST = `NOT EXISTS (SELECT 1 FROM standing AS newer WHERE newer.base_id = standing.base_id
  AND newer.own = standing.own AND newer.root_uri = standing.root_uri
  AND (newer.seen_ms, newer.root_id) > (standing.seen_ms, standing.root_id)) AS is_newest`;

interface Place {
  readonly base: number;
  readonly url: string;
  readonly path: string;
}

function prepare(db: Database) {
  return {
    standing: db.prepare<Place, CandidateRow>(
      `SELECT ${COLUMNS}, standing.root_uri, standing.seen_ms, standing.own AS is_own,
         iif(standing.own, NULL, standing.root_uri) AS delegated_by, ${IS_NEWEST}
       FROM ${GENERATIONS}
       CROSS JOIN standing ON standing.root_id = root.id AND standing.base_id = @base AND standing.own = (decl.base = '')
       WHERE decl.path = @path AND decl.base IN ('', @url)`,
    ),
    // Mirror lists without digests: the mirrors share what was seen at any of them.
    mirrored: db.prepare<Place & { readonly now: number }, CandidateRow>(
      `SELECT ${COLUMNS}, standing.root_uri, standing.seen_ms, 0 AS is_own,
         iif(repo.via = 'config', NULL, repo.uri) AS delegated_by, ${IS_NEWEST}
       FROM ${GENERATIONS}
       CROSS JOIN standing ON standing.root_id = root.id AND standing.base_id <> @base AND standing.own = 1
       CROSS JOIN mirror AS other ON other.base_id = standing.base_id
       CROSS JOIN mirror AS mine ON mine.repo_id = other.repo_id AND mine.base_id = @base
       CROSS JOIN repo ON repo.id = mine.repo_id
       WHERE decl.path = @path AND decl.base = '' AND repo.via <> 'metalink' AND repo.ecosystem = root.ecosystem
         AND repo.expires_ms > @now`,
    ),
    // Metalinks declare the root of every mirror, wherever it was seen.
    vouched: db.prepare<Place & { readonly now: number }, CandidateRow>(
      `SELECT ${COLUMNS}, @url || root.path AS root_uri, declared_root.seen_ms, 0 AS is_own, repo.uri AS delegated_by,
         declared_root.seen_ms = (SELECT max(seen_ms) FROM declared_root AS any WHERE any.repo_id = repo.id) AS is_newest
       FROM ${GENERATIONS}
       CROSS JOIN declared_root ON declared_root.sha256 = root.sha256
       CROSS JOIN mirror AS mine ON mine.repo_id = declared_root.repo_id AND mine.base_id = @base
       CROSS JOIN repo ON repo.id = mine.repo_id
       WHERE decl.path = @path AND decl.base = '' AND repo.ecosystem = root.ecosystem AND repo.expires_ms > @now`,
    ),
  };
}

function toCandidate(row: CandidateRow): Candidate {
  return {
    declaration: { algorithm: row.alg, digest: row.digest.toString("hex"), bytes: row.bytes ?? undefined },
    kind: row.kind,
    isIndex: row.is_index === 1,
    ecosystem: row.ecosystem,
    name: row.name ?? undefined,
    version: row.version ?? undefined,
    arch: row.arch ?? undefined,
    publishedMs: row.published_ms ?? undefined,
    declaredBy: fromRaw(row.declared_by),
    root: { uri: row.root_uri, digest: fromRaw(row.root_sha256), seenMs: row.seen_ms },
    isOwn: row.is_own === 1,
    delegatedBy: row.delegated_by ?? undefined,
    isNewest: row.is_newest === 1,
  };
}
