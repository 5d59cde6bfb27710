import type { Clock } from "../../core/clock.ts";
import type { Declaration, DigestAlgorithm } from "../../core/declaration.ts";
import type { Digest } from "../../core/digest.ts";
import type { Realm } from "../../core/entry.ts";
import type { Log } from "../../core/log.ts";
import { BlobFinder, STRONG } from "../blobs/blob-finder.ts";
import { type Database, openDatabase, openDatabaseForReading } from "../database.ts";
import type {
  DeclarationCounts,
  DeclarationIndex,
  DeclaredAs,
  DeclaredResource,
  DocumentKey,
  FindOptions,
  FoundBlob,
  Quarantine,
  TakenRootLog,
  UnprovenAnswers,
} from "../declarations.ts";
import { FaultLog } from "../faults.ts";
import { toRaw } from "../keys.ts";
import { layoutOf } from "../layout.ts";
import { openReplaceable } from "../lost-index.ts";
import { indexFile } from "../schema.ts";
import { type Base, Bases } from "./bases.ts";
import { DocumentTable } from "./documents.ts";
import { byTrust, type Candidate, DeclarationLookup } from "./lookup.ts";
import { QuarantineTable } from "./quarantine.ts";
import { declarationsFile } from "./schema.ts";
import { TakenRootTable } from "./taken-roots.ts";
import { UnprovenTable } from "./unproven.ts";

/** Whether somebody may speak about another's base: an index about its file host, a mirror list about a mirror. */
export type MayDelegate = (fromUri: string, toBase: string) => boolean;

export interface DeclarationsOptions {
  readonly rootDir: string;
  readonly mayDelegate: MayDelegate;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Opens the declarations beside a store, making them if there are none. Damaged ones are set aside, and learnt again as their roots
 * are served.
 * The caller has opened the store: its lock makes this process the one writer.
 * @throws LarderError `STORE_NEWER`, `STORE_UNREADABLE` or `STORE_UNWRITABLE`
 */
export function openDeclarations({ rootDir, mayDelegate, clock, log }: DeclarationsOptions): DeclarationIndex {
  const layout = layoutOf(rootDir);
  const index = openDatabase(indexFile(layout));
  try {
    return openReplaceable(
      declarationsFile(layout),
      { clock, log },
      (db) => new LocalDeclarations({ db, index, mayDelegate, log }),
    );
  } catch (error) {
    index.close();
    throw error;
  }
}

/** What commands may ask while no larder, or another process, writes. */
export type DeclarationReader = Pick<DeclarationIndex, "find" | "findBlob" | "alternateUris" | "counts" | "close">;

/** Opens existing declarations without changing anything. @throws LarderError as {@link openDeclarations} */
export function openDeclarationsForReading({
  rootDir,
  mayDelegate,
  log,
}: Omit<DeclarationsOptions, "clock">): DeclarationReader {
  const layout = layoutOf(rootDir);
  const index = openDatabaseForReading(indexFile(layout));
  try {
    return new LocalDeclarations({ db: openDatabaseForReading(declarationsFile(layout)), index, mayDelegate, log });
  } catch (error) {
    index.close();
    throw error;
  }
}

interface Dependencies {
  readonly db: Database;
  /** A connection of its own to the index: what is written there are single rows, between other statements. */
  readonly index: Database;
  readonly mayDelegate: MayDelegate;
  readonly log: Log;
}

class LocalDeclarations implements DeclarationIndex {
  readonly quarantine: Quarantine;
  readonly unproven: UnprovenAnswers;
  readonly takenRoots: TakenRootLog;
  readonly #db: Database;
  readonly #index: Database;
  readonly #mayDelegate: MayDelegate;
  readonly #faults: FaultLog;
  readonly #bases: Bases;
  readonly #documents: DocumentTable;
  readonly #lookup: DeclarationLookup;
  readonly #blobs: BlobFinder;
  readonly #statements: ReturnType<typeof prepare>;

  constructor({ db, index, mayDelegate, log }: Dependencies) {
    this.#db = db;
    this.#index = index;
    this.#mayDelegate = mayDelegate;
    this.#faults = new FaultLog(log);
    this.#bases = new Bases(db);
    this.#documents = new DocumentTable(db);
    this.#lookup = new DeclarationLookup(db);
    this.#blobs = new BlobFinder(index);
    this.#statements = prepare(db);
    this.quarantine = this.#guardedQuarantine(new QuarantineTable(index));
    this.unproven = this.#guardedUnproven(new UnprovenTable(index));
    this.takenRoots = this.#guardedTakenRoots(new TakenRootTable(index));
  }

  find(uri: string, options: FindOptions): DeclaredResource | undefined {
    return this.#or(undefined, () => {
      for (const base of this.#bases.over(uri, options.realm)) {
        const found = this.#findBelow(base, uri.slice(base.url.length), options);
        if (found !== undefined) return found;
      }
      return undefined;
    });
  }

  mirrorsOf(base: string, { realm, nowMs }: Pick<FindOptions, "realm" | "nowMs">): readonly string[] {
    const mirrors = this.#or([], () => this.#statements.mirrors.all({ url: base, realm, now: nowMs }));
    const isBelieved = ({ url, via, uri }: MirrorRow): boolean => via === "config" || this.#mayDelegate(uri, url);
    return [...new Set(mirrors.filter(isBelieved).map(({ url }) => url))];
  }

  alternateUris(resource: DeclaredResource, nowMs: number): readonly string[] {
    const { base, path, realm, root } = resource;
    // A root that stands at this base says the same of every other base where it stands.
    const isOwn = root.uri.startsWith(base);
    const twins = isOwn ? this.#or([], () => this.#statements.twins.all(toRaw(root.digest), realm)) : [];
    const mirrors = this.mirrorsOf(base, { realm, nowMs }).map((url) => url + path);
    const uris = new Set([...mirrors, ...this.#namesakesOf(resource), ...twins.map(({ url }) => url + path)]);
    const isAllowed = (uri: string): boolean => uri.startsWith("https:") || base.startsWith("http:");
    return [...uris].filter((uri) => uri !== base + path && isAllowed(uri));
  }

  /** A strong digest names the same bytes whoever says it, so nobody need be believed to be asked for them. */
  #namesakesOf({ declaration: { algorithm, digest }, declaredBy, realm, kind }: DeclaredResource): readonly string[] {
    if (kind !== "payload" || !STRONG.has(algorithm)) return [];
    const place = { document: toRaw(declaredBy), alg: algorithm, digest: Buffer.from(digest, "hex"), realm };
    return this.#or([], () => this.#statements.namesakes.all(place)).map(({ uri }) => uri);
  }

  otherNames({ base, path, kind, declaration, declaredBy }: DeclaredResource): readonly string[] {
    // Payloads have one name, and looking for another would read all of a large index.
    if (kind !== "member") return [];
    const { algorithm, digest } = declaration;
    const names = this.#or([], () =>
      this.#statements.names.all(toRaw(declaredBy), algorithm, Buffer.from(digest, "hex"), path),
    );
    return names.map((name) => base + name.path);
  }

  isKnown(document: DocumentKey): boolean {
    return this.#or(false, () => this.#documents.idOf(document) !== undefined);
  }

  findBlob(declaration: Declaration, realm: Realm): FoundBlob | undefined {
    return this.#or(undefined, () => this.#blobs.find(declaration, realm));
  }

  blobSeenWith(declaration: Declaration): Digest | undefined {
    return this.#or(undefined, () => this.#blobs.seenWith(declaration));
  }

  payloadsOf(document: DocumentKey): readonly Declaration[] | undefined {
    return this.#or(undefined, () => {
      const id = this.#documents.idOf(document);
      return id === undefined ? undefined : this.#documents.payloadsOf(id);
    });
  }

  noteAlias(algorithm: DigestAlgorithm, digest: string, blob: Digest): void {
    this.#or(undefined, () => this.#blobs.noteAlias(algorithm, digest, blob));
  }

  grant(blob: Digest, realm: Realm): void {
    this.#or(undefined, () => this.#blobs.grant(blob, realm));
  }

  hasConfigured(): boolean {
    return this.#or(true, () => this.#statements.configured.get() !== undefined);
  }

  counts(): DeclarationCounts {
    const none = { generations: 0, documents: 0, declarations: 0 };
    return { bases: this.#bases.count, ...(this.#or(none, () => this.#statements.counts.get()) ?? none) };
  }

  refresh(): void {
    this.#or(undefined, () => this.#bases.refresh());
  }

  close(): void {
    this.#db.close();
    this.#index.close();
  }

  #findBelow(base: Base, path: string, { realm, nowMs, prefers }: FindOptions): DeclaredResource | undefined {
    const [best, ...others] = this.#lookup
      .at(base, path, nowMs)
      .filter((candidate) => this.#isBelieved(candidate, base))
      .sort(byTrust(prefers));
    if (best === undefined) return undefined;
    const { kind, isIndex, ecosystem, name, version, arch } = best;
    const file = { kind, isIndex, ecosystem, realm, base: base.url, path, name, version, arch };
    return { ...file, publishedMs: publishedMsOf(best, others), ...who(best), alternatives: differing(best, others) };
  }

  /** Declarations are believed about their own repository, or along a delegation. */
  #isBelieved({ delegatedBy }: Candidate, base: Base): boolean {
    return delegatedBy === undefined || delegatedBy.startsWith(base.url) || this.#mayDelegate(delegatedBy, base.url);
  }

  /** A fault of the disk ends no exchange. */
  #or<T, F>(fallback: F, work: () => T): T | F {
    try {
      const result = work();
      this.#faults.recovered("declarations");
      return result;
    } catch (error) {
      this.#faults.report("declarations", error);
      return fallback;
    }
  }

  #guardedQuarantine(table: Quarantine): Quarantine {
    return {
      add: (base, path, nowMs) => this.#or(nowMs, () => table.add(base, path, nowMs)),
      until: (base, path, nowMs) => this.#or(undefined, () => table.until(base, path, nowMs)),
      clear: (base, path) => this.#or(undefined, () => table.clear(base, path)),
    };
  }

  /** What the disk does not take is kept in memory: nothing that is unproven may be forgotten. */
  #guardedUnproven(table: UnprovenAnswers): UnprovenAnswers {
    const unwritten = new Set<string>();
    return {
      note: (key, place, times) => {
        const isNew = this.#or(undefined, () => table.note(key, place, times));
        if (isNew === undefined) unwritten.add(key);
        return isNew ?? false;
      },
      has: (key, nowMs) => unwritten.has(key) || this.#or(true, () => table.has(key, nowMs)),
      clear: (key, place) => this.#or(undefined, () => table.clear(key, place)),
    };
  }

  #guardedTakenRoots(table: TakenRootLog): TakenRootLog {
    return {
      note: (taken, nowMs) => this.#or(undefined, () => table.note(taken, nowMs)),
      all: (nowMs) => this.#or([], () => table.all(nowMs)),
    };
  }
}

function who({ declaration, declaredBy, root }: DeclaredAs): DeclaredAs {
  return { declaration, declaredBy, root };
}

/** What differs from the best, each content once. */
function differing(best: DeclaredAs, others: readonly DeclaredAs[]): readonly DeclaredAs[] {
  const seen = new Set([contentOf(best)]);
  return others.filter((other) => !seen.has(contentOf(other)) && seen.add(contentOf(other))).map(who);
}

/** The page in HTML does not tell, the one in JSON may. */
function publishedMsOf(best: Candidate, others: readonly Candidate[]): number | undefined {
  const { digest } = best.declaration;
  const told = [best, ...others].find(
    ({ declaration, publishedMs }) => publishedMs !== undefined && declaration.digest === digest,
  );
  return told?.publishedMs;
}

function contentOf({ declaration: { algorithm, digest, bytes } }: DeclaredAs): string {
  return `${algorithm} ${digest} ${bytes}`;
}

interface MirrorRow {
  readonly url: string;
  readonly via: string;
  readonly uri: string;
}

interface Namesake {
  readonly document: Buffer;
  readonly alg: DigestAlgorithm;
  readonly digest: Buffer;
  readonly realm: string;
}

function prepare(db: Database) {
  return {
    mirrors: db.prepare<{ readonly url: string; readonly realm: string; readonly now: number }, MirrorRow>(
      `SELECT base.url, repo.via, repo.uri FROM base AS this
         JOIN mirror AS mine ON mine.base_id = this.id JOIN repo ON repo.id = mine.repo_id
         JOIN mirror AS other ON other.repo_id = repo.id JOIN base ON base.id = other.base_id
       WHERE this.url = @url AND this.realm = @realm AND other.base_id <> this.id AND repo.expires_ms > @now
       ORDER BY other.position`,
    ),
    twins: db.prepare<[Buffer, string], { readonly url: string }>(
      `SELECT base.url FROM document JOIN standing ON standing.root_id = document.id JOIN base ON base.id = standing.base_id
       WHERE document.sha256 = ? AND base.realm = ? AND standing.own = 1 ORDER BY standing.seen_ms DESC`,
    ),
    namesakes: db.prepare<Namesake, { readonly uri: string }>(
      `SELECT iif(decl.base = '', base.url, decl.base) || decl.path AS uri
       FROM document AS this CROSS JOIN document AS other ON other.path = this.path AND other.ecosystem = this.ecosystem
         CROSS JOIN decl ON decl.doc_id = other.id AND decl.alg = @alg AND decl.digest = @digest
         CROSS JOIN standing ON standing.root_id = other.id AND standing.own = 1
         CROSS JOIN base ON base.id = standing.base_id AND base.realm = @realm
       WHERE this.sha256 = @document AND this.kind = 'root' ORDER BY standing.seen_ms DESC`,
    ),
    names: db.prepare<[Buffer, string, Buffer, string], { readonly path: string }>(
      `SELECT DISTINCT decl.path FROM document JOIN decl ON decl.doc_id = document.id
       WHERE document.sha256 = ? AND decl.base = '' AND decl.alg = ? AND decl.digest = ? AND decl.path <> ?`,
    ),
    configured: db.prepare<[], { readonly id: number }>("SELECT id FROM repo WHERE via = 'config' LIMIT 1"),
    counts: db.prepare<[], Omit<DeclarationCounts, "bases">>(
      `SELECT count(*) AS documents, coalesce(sum(declarations), 0) AS declarations,
         coalesce(sum(kind = 'root'), 0) AS generations FROM document`,
    ),
  };
}
