import { type Database, openDatabase, transact } from "../database.ts";
import { layoutOf } from "../layout.ts";
import {
  type DocumentFacts,
  type DocumentName,
  DocumentTable,
  type MemberDeclaration,
  type NewDeclaration,
} from "./documents.ts";
import { declarationsFile } from "./schema.ts";
import { type MirrorList, type Standing, StandingTable } from "./standings.ts";

/** What is cached while a document is written: its rows lie close together, so that this holds all that they touch. */
const CACHE_KIB = 32 * 1024;
/** Above it, the log that a large document leaves behind is given back. */
const LOG_BYTES = 16 * 1024 * 1024;
/** An index has its files on a few hosts; one that names more is not believed about the rest. */
const MAX_NAMED_BASES = 32;
/** Declarations removed in one transaction: some tenths of a second, in which no document is read. */
const COLLECTED_AT_ONCE = 50_000;

/**
 * Opens the declarations for writing, making them if there are none. There is one writer: the learning worker.
 * @throws LarderError `STORE_NEWER`, `STORE_UNREADABLE` or `STORE_UNWRITABLE`
 */
export function openDeclarationWriter(rootDir: string): DeclarationWriter {
  const db = openDatabase(declarationsFile(layoutOf(rootDir)));
  db.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
  db.exec(`PRAGMA journal_size_limit = ${LOG_BYTES}`);
  return new DeclarationWriter(db);
}

/**
 * Writes what documents declare, and where they stand. Each call is one transaction; a document under way is one, too.
 */
export class DeclarationWriter {
  readonly #db: Database;
  readonly #documents: DocumentTable;
  readonly #standings: StandingTable;
  /**
   * How much had been dropped when the last document that nothing leads to was removed; there may be some at the start.
   */
  #collectedDrops: number | undefined;

  constructor(db: Database) {
    this.#db = db;
    this.#documents = new DocumentTable(db);
    this.#standings = new StandingTable(db);
  }

  isKnown(document: DocumentName): boolean {
    return this.#documents.idOf(document) !== undefined;
  }

  /** What live documents declare about a member's path. */
  membersAt(ecosystem: string, path: string): readonly MemberDeclaration[] {
    return this.#documents.membersAt(ecosystem, path);
  }

  /**
   * Every path for which the same document declares the same digest, in its own order: apt's `by-hash/` names come
   * last.
   */
  namesOf({ documentId, algorithm, digest }: MemberDeclaration): readonly string[] {
    return this.#documents.pathsOf(documentId, algorithm, digest);
  }

  /** Begins a document that is not known. Nothing else may be written until it is committed or rolled back. */
  begin(document: DocumentFacts, nowMs: number): DocumentWriter {
    return new DocumentWriter(this.#db, { document, nowMs, table: this.#documents });
  }

  /** Notes that a root stands at a base. @returns false when it was not read: its declarations are not known. */
  noteRoot(root: DocumentName, standing: Standing): boolean {
    return transact(this.#db, () => {
      const id = this.#documents.idOf(root);
      if (id !== undefined) this.#standings.note(id, standing);
      return id !== undefined;
    });
  }

  /** Makes a member that was read part of the generations of the documents that declare it. */
  noteMember(member: DocumentName, declaring: readonly MemberDeclaration[]): void {
    transact(this.#db, () => {
      const id = this.#documents.idOf(member);
      if (id === undefined) return;
      for (const { documentId } of declaring) this.#documents.join(id, documentId);
      for (const rootId of this.#documents.rootsOf(id)) this.#standings.spread(rootId);
    });
  }

  noteMirrors(list: MirrorList): void {
    transact(this.#db, () => this.#standings.noteMirrors(list));
  }

  /** Replaces what configuration named before. */
  noteConfigured(lists: readonly MirrorList[]): void {
    transact(this.#db, () => {
      this.#standings.dropConfigured();
      for (const list of lists) this.#standings.noteMirrors(list);
    });
  }

  /** Removes some of what no base leads to any more. @returns whether more may be left. */
  collect(nowMs: number): boolean {
    return transact(this.#db, () => {
      this.#standings.sweep(nowMs);
      // A cache of a hundred thousand narinfos is not looked through after each of them.
      if (this.#standings.drops === this.#collectedDrops) return false;
      let removed = 0;
      for (const id of this.#documents.unreachable()) {
        removed += this.#documents.drop(id);
        if (removed >= COLLECTED_AT_ONCE) return true;
      }
      // Roots that went may have been all that led to their members.
      if (this.#documents.unreachable().length > 0) return true;
      this.#collectedDrops = this.#standings.drops;
      return false;
    });
  }

  /** What was not committed vanishes. */
  close(): void {
    this.#db.close();
  }
}

/** A document on its way in: all of it becomes known at once with {@link commit}, or nothing of it ever is. */
export class DocumentWriter {
  readonly #db: Database;
  readonly #table: DocumentTable;
  readonly #document: DocumentFacts;
  readonly #id: number;
  readonly #bases = new Set<string>();

  constructor(
    db: Database,
    options: { readonly document: DocumentFacts; readonly nowMs: number; readonly table: DocumentTable },
  ) {
    this.#db = db;
    this.#table = options.table;
    this.#document = options.document;
    db.exec("BEGIN IMMEDIATE");
    this.#id = options.table.create(options.document, options.nowMs);
  }

  /** Of two declarations of one path only the first is kept. */
  add(declared: NewDeclaration): void {
    const { base } = declared;
    if (base !== undefined && !this.#bases.has(base)) {
      if (this.#bases.size >= MAX_NAMED_BASES) return;
      this.#bases.add(base);
      this.#table.nameBase(this.#id, base);
    }
    this.#table.declare(this.#id, declared);
  }

  /** Takes a declaration back. @param place its path, behind its base where it named one */
  retract(place: string): void {
    this.#table.retract(this.#id, place);
  }

  /** @returns how many declarations the document has. */
  commit(): number {
    const declarations = this.#table.complete(this.#id, this.#document);
    this.#db.exec("COMMIT");
    return declarations;
  }

  rollback(): void {
    if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
  }
}
