import type { Declaration, DigestAlgorithm } from "../../core/declaration.ts";
import type { Digest } from "../../core/digest.ts";
import type { Realm } from "../../core/entry.ts";
import type { Log } from "../../core/log.ts";
import { BlobFinder, STRONG } from "../blobs/blob-finder.ts";
import type { Database } from "../database.ts";
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
import { type Base, Bases } from "./bases.ts";
import { DocumentTable } from "./documents.ts";
import { type Guard, guardQuarantine, guardTakenRoots, guardUnproven, guardWith } from "./guards.ts";
import { byTrust, type Candidate, DeclarationLookup } from "./lookup.ts";
import { type MayDelegate, OtherPlaces } from "./other-places.ts";
import { QuarantineTable } from "./quarantine.ts";
import { TakenRootTable } from "./taken-roots.ts";
import { UnprovenTable } from "./unproven.ts";

interface Dependencies {
  readonly db: Database;
  /** A connection of its own to the index: what is written there are single rows, between other statements. */
  readonly index: Database;
  readonly mayDelegate: MayDelegate;
  readonly log: Log;
}

/** The declarations beside a store, and what of the index goes with them. `openDeclarations` makes it. */
export class LocalDeclarations implements DeclarationIndex {
  readonly quarantine: Quarantine;
  readonly unproven: UnprovenAnswers;
  readonly takenRoots: TakenRootLog;
  readonly #db: Database;
  readonly #index: Database;
  readonly #mayDelegate: MayDelegate;
  readonly #or: Guard;
  readonly #bases: Bases;
  readonly #documents: DocumentTable;
  readonly #lookup: DeclarationLookup;
  readonly #places: OtherPlaces;
  readonly #blobs: BlobFinder;
  readonly #statements: ReturnType<typeof prepare>;

  constructor({ db, index, mayDelegate, log }: Dependencies) {
    this.#db = db;
    this.#index = index;
    this.#mayDelegate = mayDelegate;
    this.#or = guardWith(new FaultLog(log));
    this.#bases = new Bases(db);
    this.#documents = new DocumentTable(db);
    this.#lookup = new DeclarationLookup(db);
    this.#places = new OtherPlaces(db, mayDelegate);
    this.#blobs = new BlobFinder(index);
    this.#statements = prepare(db);
    this.quarantine = guardQuarantine(new QuarantineTable(index), this.#or);
    this.unproven = guardUnproven(new UnprovenTable(index), this.#or);
    this.takenRoots = guardTakenRoots(new TakenRootTable(index), this.#or);
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

  mirrorsOf(base: string, options: Pick<FindOptions, "realm" | "nowMs">): readonly string[] {
    return this.#or([], () => this.#places.mirrorsOf(base, options));
  }

  alternateUris(resource: DeclaredResource, nowMs: number): readonly string[] {
    return this.#or([], () => this.#places.alternateUris(resource, nowMs));
  }

  otherNames(resource: DeclaredResource): readonly string[] {
    return this.#or([], () => this.#places.otherNames(resource));
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

  noteCompanions(root: Digest, payloads: readonly Declaration[]): void {
    this.#or(undefined, () => this.#blobs.noteCompanions(root, payloads));
  }

  strongAliases(): readonly DigestAlgorithm[] {
    const declared = this.#or([], () => this.#statements.algorithms.all());
    return declared.map(({ alg }) => alg).filter((alg) => alg !== "sha256" && STRONG.has(alg));
  }

  grant(blob: Digest, realm: Realm): void {
    this.#or(undefined, () => this.#blobs.grant(blob, realm));
  }

  hasConfigured(): boolean {
    return this.#or(true, () => this.#statements.configured.get() !== undefined);
  }

  /** Whether no document was ever read, or all that were are lost. */
  isEmpty(): boolean {
    return this.#or(false, () => this.#statements.document.get() === undefined);
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

function prepare(db: Database) {
  return {
    algorithms: db.prepare<[], { readonly alg: DigestAlgorithm }>("SELECT DISTINCT alg FROM decl"),
    document: db.prepare<[], { readonly id: number }>("SELECT id FROM document LIMIT 1"),
    configured: db.prepare<[], { readonly id: number }>("SELECT id FROM repo WHERE via = 'config' LIMIT 1"),
    counts: db.prepare<[], Omit<DeclarationCounts, "bases">>(
      `SELECT count(*) AS documents, coalesce(sum(declarations), 0) AS declarations,
         coalesce(sum(kind = 'root'), 0) AS generations FROM document`,
    ),
  };
}
