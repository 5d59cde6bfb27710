import type { Declaration } from "../../core/declaration.ts";
import type { Digest } from "../../core/digest.ts";
import type { Database } from "../database.ts";
import { toRaw } from "../keys.ts";

/** A root or member, named by its bytes and by where it stands, for what it declares may be relative to that. */
export interface DocumentName {
  readonly ecosystem: string;
  /** The part of its place below the base that its declarations depend on; empty when they depend on none. */
  readonly scope: string;
  readonly digest: Digest;
}

export interface DocumentFacts extends DocumentName {
  readonly kind: "root" | "member";
  /** Where below its base it was read. */
  readonly path: string;
}

/** One declaration on its way in. Paths and bases are canonical. */
export interface NewDeclaration extends Declaration {
  readonly path: string;
  /** Another base than that of the document, when it names one. */
  readonly base: string | undefined;
  readonly kind: "payload" | "member";
  /** What the learner needs to read a member that declares more; opaque here. */
  readonly reading: string | undefined;
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly arch: string | undefined;
  /** When the file was published, where the index tells it. */
  readonly publishedMs: number | undefined;
}

/** A declaration of a member, as some live document makes it. */
export interface MemberDeclaration {
  readonly documentId: number;
  readonly algorithm: Declaration["algorithm"];
  /** Lower-case hex. */
  readonly digest: string;
  readonly reading: string | undefined;
}

/**
 * The document, declaration and generation rows. Everything that changes belongs inside a transaction of the caller.
 */
export class DocumentTable {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  /** The row of a document that was read, or `undefined`. */
  idOf({ ecosystem, scope, digest }: DocumentName): number | undefined {
    return this.#statements.find.get(toRaw(digest), ecosystem, scope)?.id;
  }

  create({ ecosystem, scope, digest, kind, path }: DocumentFacts, nowMs: number): number {
    return Number(this.#statements.create.run(ecosystem, kind, scope, path, toRaw(digest), nowMs).lastInsertRowid);
  }

  /** Of two declarations of one path only the first is kept; {@link retract} takes it back. */
  declare(documentId: number, declared: NewDeclaration): void {
    this.#statements.declare.run(
      documentId,
      declared.base ?? "",
      declared.path,
      declared.algorithm,
      Buffer.from(declared.digest, "hex"),
      declared.bytes ?? null,
      declared.kind,
      declared.reading ?? null,
      declared.name ?? null,
      declared.version ?? null,
      declared.arch ?? null,
      declared.publishedMs ?? null,
    );
  }

  /** Notes that a document speaks about another base than its own. */
  nameBase(documentId: number, url: string): void {
    this.#statements.nameBase.run(documentId, url);
  }

  /** @param place a path, behind its base where the document named one */
  retract(documentId: number, place: string): void {
    // A canonical path has no empty segment, so only a base brings one.
    if (!place.includes("//")) this.#statements.retract.run(documentId, "", place);
    else
      for (const { url } of this.#statements.namedBases.all(documentId))
        if (place.startsWith(url)) this.#statements.retract.run(documentId, url, place.slice(url.length));
  }

  /** Ends the writing of a document: a root begins its generation, with the members that are known already. */
  complete(documentId: number, { kind, ecosystem }: DocumentFacts): number {
    const { declarations = 0 } = this.#statements.count.get(documentId, documentId) ?? {};
    if (kind === "root") this.#statements.beginGeneration.run({ id: documentId, ecosystem });
    return declarations;
  }

  /** Makes a member part of the generations of a document that declares it. */
  join(memberId: number, parentId: number): void {
    this.#statements.join.run(memberId, parentId);
  }

  /** The roots of the generations that a document is part of. */
  rootsOf(documentId: number): readonly number[] {
    return this.#statements.rootsOf.all(documentId).map(({ root_id }) => root_id);
  }

  /** What live documents of the ecosystem declare about a member's path. */
  membersAt(ecosystem: string, path: string): readonly MemberDeclaration[] {
    return this.#statements.membersAt.all(path, ecosystem).map(({ doc_id, alg, digest, reading }) => ({
      documentId: doc_id,
      algorithm: alg,
      digest: digest.toString("hex"),
      reading: reading ?? undefined,
    }));
  }

  /** Every path for which a document declares that digest, in its own order. */
  pathsOf(documentId: number, algorithm: string, digest: string): readonly string[] {
    return this.#statements.pathsOf.all(documentId, algorithm, Buffer.from(digest, "hex")).map(({ path }) => path);
  }

  /** What a document declares itself about payloads. */
  payloadsOf(documentId: number): readonly Declaration[] {
    return this.#statements.payloadsOf
      .all(documentId)
      .map(({ alg, digest, bytes }) => ({ algorithm: alg, digest: digest.toString("hex"), bytes: bytes ?? undefined }));
  }

  /** Documents that no base, and no other document, leads to any more. */
  unreachable(): readonly number[] {
    return this.#statements.unreachable.all().map(({ id }) => id);
  }

  /** @returns how many declarations went with it. */
  drop(documentId: number): number {
    this.#statements.drop.run(documentId);
    return this.#statements.dropDeclarations.run(documentId).changes;
  }
}

interface MemberRow {
  readonly doc_id: number;
  readonly alg: Declaration["algorithm"];
  readonly digest: Buffer;
  readonly reading: string | null;
}

type Text = string | null;

function prepare(db: Database) {
  return {
    find: db.prepare<[Buffer, string, string], { readonly id: number }>(
      "SELECT id FROM document WHERE sha256 = ? AND ecosystem = ? AND scope = ?",
    ),
    create: db.prepare<[string, string, string, string, Buffer, number]>(
      "INSERT INTO document (ecosystem, kind, scope, path, sha256, declarations, read_ms) VALUES (?, ?, ?, ?, ?, 0, ?)",
    ),
    declare: db.prepare<
      [number, string, string, string, Buffer, number | null, string, Text, Text, Text, Text, number | null]
    >(
      `INSERT OR IGNORE INTO decl (doc_id, base, path, alg, digest, bytes, kind, reading, name, version, arch, published_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    nameBase: db.prepare<[number, string]>("INSERT OR IGNORE INTO named_base (doc_id, url) VALUES (?, ?)"),
    namedBases: db.prepare<[number], { readonly url: string }>("SELECT url FROM named_base WHERE doc_id = ?"),
    retract: db.prepare<[number, string, string]>("DELETE FROM decl WHERE doc_id = ? AND base = ? AND path = ?"),
    count: db.prepare<[number, number], { readonly declarations: number }>(
      "UPDATE document SET declarations = (SELECT count(*) FROM decl WHERE doc_id = ?) WHERE id = ? RETURNING declarations",
    ),
    beginGeneration: db.prepare<{ readonly id: number; readonly ecosystem: string }>(
      `INSERT INTO generation (doc_id, root_id)
       SELECT @id, @id UNION
       SELECT member.id, @id FROM decl JOIN document AS member ON member.sha256 = decl.digest
       WHERE decl.doc_id = @id AND decl.alg = 'sha256' AND decl.base = '' AND member.kind = 'member'
         AND member.ecosystem = @ecosystem AND member.path = decl.path`,
    ),
    join: db.prepare<[number, number]>(
      "INSERT OR IGNORE INTO generation (doc_id, root_id) SELECT ?, root_id FROM generation WHERE doc_id = ?",
    ),
    rootsOf: db.prepare<[number], { readonly root_id: number }>("SELECT root_id FROM generation WHERE doc_id = ?"),
    membersAt: db.prepare<[string, string], MemberRow>(
      `SELECT doc_id, alg, digest, reading FROM decl JOIN document ON document.id = doc_id
       WHERE decl.path = ? AND decl.base = '' AND decl.kind = 'member' AND document.ecosystem = ?`,
    ),
    pathsOf: db.prepare<[number, string, Buffer], { readonly path: string }>(
      "SELECT path FROM decl WHERE doc_id = ? AND base = '' AND alg = ? AND digest = ? ORDER BY id",
    ),
    payloadsOf: db.prepare<[number], Pick<MemberRow, "alg" | "digest"> & { readonly bytes: number | null }>(
      "SELECT alg, digest, bytes FROM decl WHERE doc_id = ? AND kind = 'payload'",
    ),
    unreachable: db.prepare<[], { readonly id: number }>(
      `SELECT id FROM document WHERE CASE kind
         WHEN 'root' THEN NOT EXISTS (SELECT 1 FROM standing WHERE root_id = id)
           AND NOT EXISTS (SELECT 1 FROM declared_root WHERE declared_root.sha256 = document.sha256)
         ELSE NOT EXISTS (SELECT 1 FROM generation WHERE doc_id = id) END`,
    ),
    drop: db.prepare<[number]>("DELETE FROM document WHERE id = ?"),
    dropDeclarations: db.prepare<[number]>("DELETE FROM decl WHERE doc_id = ?"),
  };
}
