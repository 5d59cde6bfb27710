import type { DigestAlgorithm } from "../../core/declaration.ts";
import { STRONG } from "../blobs/blob-finder.ts";
import type { Database } from "../database.ts";
import type { DeclaredResource, FindOptions } from "../declarations.ts";
import { toRaw } from "../keys.ts";

/** Whether somebody may speak about another's base: an index about its file host, a mirror list about a mirror. */
export type MayDelegate = (fromUri: string, toBase: string) => boolean;

/** Where else a declared file lies: at mirrors, at other indexes, under other names. */
export class OtherPlaces {
  readonly #mayDelegate: MayDelegate;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database, mayDelegate: MayDelegate) {
    this.#mayDelegate = mayDelegate;
    this.#statements = prepare(db);
  }

  /** As {@link DeclarationIndex.mirrorsOf}. */
  mirrorsOf(base: string, { realm, nowMs }: Pick<FindOptions, "realm" | "nowMs">): readonly string[] {
    const mirrors = this.#statements.mirrors.all({ url: base, realm, now: nowMs });
    const isBelieved = ({ url, via, uri }: MirrorRow): boolean => via === "config" || this.#mayDelegate(uri, url);
    return [...new Set(mirrors.filter(isBelieved).map(({ url }) => url))];
  }

  /** As {@link DeclarationIndex.alternateUris}. */
  alternateUris(resource: DeclaredResource, nowMs: number): readonly string[] {
    const { base, path, realm, root, declaration } = resource;
    // A root that stands at this base says the same of every other base where it stands; nobody vouches for those but
    // the digest.
    const isOwn = root.uri.startsWith(base) && STRONG.has(declaration.algorithm);
    const twins = isOwn ? this.#statements.twins.all(toRaw(root.digest), realm) : [];
    const mirrors = this.mirrorsOf(base, { realm, nowMs }).map((url) => url + path);
    const uris = new Set([...mirrors, ...this.#namesakesOf(resource), ...twins.map(({ url }) => url + path)]);
    const isAllowed = (uri: string): boolean => uri.startsWith("https:") || base.startsWith("http:");
    return [...uris].filter((uri) => uri !== base + path && isAllowed(uri));
  }

  /** As {@link DeclarationIndex.otherNames}. */
  otherNames({ base, path, kind, declaration, declaredBy }: DeclaredResource): readonly string[] {
    // Payloads have one name, and looking for another would read all of a large index.
    if (kind !== "member") return [];
    const { algorithm, digest } = declaration;
    const names = this.#statements.names.all(toRaw(declaredBy), algorithm, Buffer.from(digest, "hex"), path);
    return names.map((name) => base + name.path);
  }

  /** A strong digest names the same bytes whoever says it, so nobody need be believed to be asked for them. */
  #namesakesOf({ declaration: { algorithm, digest }, declaredBy, realm, kind }: DeclaredResource): readonly string[] {
    if (kind !== "payload" || !STRONG.has(algorithm)) return [];
    const place = { document: toRaw(declaredBy), alg: algorithm, digest: Buffer.from(digest, "hex"), realm };
    return this.#statements.namesakes.all(place).map(({ uri }) => uri);
  }
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
  };
}
