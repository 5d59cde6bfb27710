import type { Digest } from "../../core/digest.ts";
import type { Realm } from "../../core/entry.ts";
import type { Database } from "../database.ts";
import { toRaw } from "../keys.ts";

/** A root that was seen for a base. URIs are canonical. */
export interface Standing {
  readonly base: string;
  readonly realm: Realm;
  readonly rootUri: string;
  readonly atMs: number;
}

/** Bases that somebody named as one repository. */
export interface MirrorList {
  /** Of the metalink or mirrorlist, or what configuration calls the repository. */
  readonly uri: string;
  readonly realm: Realm;
  readonly ecosystem: string;
  readonly via: "metalink" | "mirrorlist" | "config";
  /** Canonical, best first. */
  readonly bases: readonly string[];
  /** The roots that a mirror may have, newest first, as a metalink declares them. */
  readonly roots: readonly Digest[];
  readonly atMs: number;
  /** `undefined` holds for ever. */
  readonly expiresMs: number | undefined;
}

/** How many generations of a root stay, however long ago they were seen. */
const KEPT_GENERATIONS = 3;
/** Younger ones stay beside them: a client may take a day from an index to the last of its files. */
const KEPT_MS = 24 * 60 * 60 * 1000;
/** … but no more of them than a repository that is published every half hour has in a day. */
const MAX_GENERATIONS = 48;
const FOREVER = Number.MAX_SAFE_INTEGER;

/**
 * The base, standing, repository and mirror rows. Everything that changes belongs inside a transaction of the caller.
 */
export class StandingTable {
  readonly #statements: ReturnType<typeof prepare>;
  /** How often something stopped to lead to a document. */
  #drops = 0;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  get drops(): number {
    return this.#drops;
  }

  /** Notes that the root was seen for the base; older ones than are kept go. */
  note(rootId: number, { base, realm, rootUri, atMs }: Standing): void {
    const baseId = this.#baseId(base, realm);
    this.#statements.setBack.run(atMs - 1, baseId, rootUri, atMs);
    this.#statements.note.run(baseId, 1, rootUri, rootId, atMs);
    this.#prune(baseId, 1, rootUri, atMs);
    this.spread(rootId);
  }

  /** Lets a root speak about the bases that the documents of its generation name. */
  spread(rootId: number): void {
    for (const { url, realm, root_uri, seen_ms } of this.#statements.named.all(rootId)) {
      const baseId = this.#baseId(url, realm);
      this.#statements.note.run(baseId, 0, root_uri, rootId, seen_ms);
      this.#prune(baseId, 0, root_uri, seen_ms);
    }
  }

  /** Replaces the mirrors of the list, and adds to the roots it declares. */
  noteMirrors({ uri, realm, ecosystem, via, bases, roots, atMs, expiresMs = FOREVER }: MirrorList): void {
    const row = this.#statements.noteRepo.get(uri, realm, ecosystem, via, expiresMs);
    if (row === undefined) return;
    this.#statements.clearMirrors.run(row.id);
    for (const [position, url] of bases.entries())
      this.#statements.addMirror.run(row.id, this.#baseId(url, realm), position);
    // A millisecond apart, so that the list's own order is the order of age.
    for (const [age, digest] of roots.entries()) this.#statements.declareRoot.run(row.id, toRaw(digest), atMs - age);
    const known = this.#statements.declaredRoots.all(row.id);
    for (const { sha256 } of outdated(known, atMs))
      this.#drops += this.#statements.undeclareRoot.run(row.id, sha256).changes;
  }

  dropConfigured(): void {
    this.#drops += this.#statements.dropConfigured.run().changes;
  }

  /** Forgets mirror lists that have expired, and bases that nothing is known of any more. */
  sweep(nowMs: number): void {
    this.#drops += this.#statements.dropExpired.run(nowMs).changes;
    this.#drops += this.#statements.dropBases.run().changes;
  }

  #baseId(url: string, realm: Realm): number {
    const known = this.#statements.base.get(url, realm);
    return known?.id ?? Number(this.#statements.addBase.run(url, realm).lastInsertRowid);
  }

  #prune(baseId: number, own: number, rootUri: string, nowMs: number): void {
    const known = this.#statements.standings.all(baseId, own, rootUri);
    for (const { root_id } of outdated(known, nowMs))
      this.#drops += this.#statements.drop.run(baseId, own, rootUri, root_id).changes;
  }
}

/** Those that need not be kept. @param seen newest first */
function outdated<Row extends { readonly seen_ms: number }>(seen: readonly Row[], nowMs: number): readonly Row[] {
  return seen.filter(
    ({ seen_ms }, rank) => rank >= KEPT_GENERATIONS && (rank >= MAX_GENERATIONS || seen_ms < nowMs - KEPT_MS),
  );
}

interface Named {
  readonly url: string;
  readonly realm: string;
  readonly root_uri: string;
  readonly seen_ms: number;
}

function prepare(db: Database) {
  return {
    base: db.prepare<[string, string], { readonly id: number }>("SELECT id FROM base WHERE url = ? AND realm = ?"),
    addBase: db.prepare<[string, string]>("INSERT INTO base (url, realm) VALUES (?, ?)"),
    note: db.prepare<[number, number, string, number, number]>(
      `INSERT INTO standing (base_id, own, root_uri, root_id, seen_ms) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET seen_ms = excluded.seen_ms`,
    ),
    // A clock that was set back must not leave an older root the newest.
    setBack: db.prepare<[number, number, string, number]>(
      "UPDATE standing SET seen_ms = ? WHERE base_id = ? AND own = 1 AND root_uri = ? AND seen_ms >= ?",
    ),
    standings: db.prepare<[number, number, string], { readonly root_id: number; readonly seen_ms: number }>(
      `SELECT root_id, seen_ms FROM standing WHERE base_id = ? AND own = ? AND root_uri = ?
       ORDER BY seen_ms DESC, root_id DESC`,
    ),
    drop: db.prepare<[number, number, string, number]>(
      "DELETE FROM standing WHERE base_id = ? AND own = ? AND root_uri = ? AND root_id = ?",
    ),
    named: db.prepare<[number], Named>(
      `SELECT DISTINCT named_base.url, base.realm, standing.root_uri, standing.seen_ms
       FROM standing JOIN base ON base.id = standing.base_id
         JOIN generation ON generation.root_id = standing.root_id JOIN named_base ON named_base.doc_id = generation.doc_id
       WHERE standing.root_id = ? AND standing.own = 1`,
    ),
    noteRepo: db.prepare<[string, string, string, string, number], { readonly id: number }>(
      `INSERT INTO repo (uri, realm, ecosystem, via, expires_ms) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET ecosystem = excluded.ecosystem, via = excluded.via, expires_ms = excluded.expires_ms
       RETURNING id`,
    ),
    clearMirrors: db.prepare<[number]>("DELETE FROM mirror WHERE repo_id = ?"),
    addMirror: db.prepare<[number, number, number]>(
      "INSERT OR IGNORE INTO mirror (repo_id, base_id, position) VALUES (?, ?, ?)",
    ),
    declareRoot: db.prepare<[number, Buffer, number]>(
      `INSERT INTO declared_root (repo_id, sha256, seen_ms) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET seen_ms = excluded.seen_ms`,
    ),
    declaredRoots: db.prepare<[number], { readonly sha256: Buffer; readonly seen_ms: number }>(
      "SELECT sha256, seen_ms FROM declared_root WHERE repo_id = ? ORDER BY seen_ms DESC",
    ),
    undeclareRoot: db.prepare<[number, Buffer]>("DELETE FROM declared_root WHERE repo_id = ? AND sha256 = ?"),
    dropConfigured: db.prepare<[]>("DELETE FROM repo WHERE via = 'config'"),
    dropExpired: db.prepare<[number]>("DELETE FROM repo WHERE expires_ms <= ?"),
    dropBases: db.prepare<[]>(
      `DELETE FROM base WHERE NOT EXISTS (SELECT 1 FROM standing WHERE base_id = id)
         AND NOT EXISTS (SELECT 1 FROM mirror WHERE base_id = id)`,
    ),
  };
}
