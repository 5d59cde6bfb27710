import type { DatabaseFile } from "../database.ts";
import type { Layout } from "../layout.ts";

/**
 * The declarations, version by version, as INDEX_MIGRATIONS. They are a database of their own, because they come in
 * bulk: the learning worker writes a document in one transaction, and neither that nor its checkpoint may ever hold up
 * the index.
 *
 * ```text
 * base ─< standing >─ root ─< generation >─ document ─< decl
 *   └──< mirror >── repo ─< declared_root
 * ```
 *
 * Units as in storage/schema.ts. URLs and paths are canonical (ecosystems/repository-path.ts): equal text is the same
 * file.
 */
const DECLARATION_MIGRATIONS: readonly string[] = [
  `
  -- A root or member that was read, named by its bytes. scope: where it stands below its base, when what it declares is
  -- relative to that. path: where below its base it was read.
  CREATE TABLE document (
    id INTEGER PRIMARY KEY,
    ecosystem TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('root', 'member')),
    scope TEXT NOT NULL,
    path TEXT NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    declarations INTEGER NOT NULL,
    read_ms INTEGER NOT NULL,
    UNIQUE (sha256, ecosystem, scope)
  ) STRICT;

  -- Below each base where the document stands, this path has this digest and size; or below another base, which it names.
  -- reading: what it takes to read a member that declares more, as JSON. Written in bulk, so without foreign keys.
  CREATE TABLE decl (
    id INTEGER PRIMARY KEY,
    doc_id INTEGER NOT NULL,
    base TEXT NOT NULL,
    path TEXT NOT NULL,
    alg TEXT NOT NULL,
    digest BLOB NOT NULL,
    bytes INTEGER,
    kind TEXT NOT NULL CHECK (kind IN ('payload', 'member')),
    reading TEXT,
    name TEXT,
    version TEXT,
    arch TEXT
  ) STRICT;
  CREATE UNIQUE INDEX decl_by_path ON decl (path, doc_id, base);
  CREATE INDEX decl_by_doc ON decl (doc_id);

  -- The other bases that a document names.
  CREATE TABLE named_base (
    doc_id INTEGER NOT NULL REFERENCES document ON DELETE CASCADE,
    url TEXT NOT NULL CHECK (url LIKE '%/'),
    PRIMARY KEY (doc_id, url)
  ) STRICT, WITHOUT ROWID;

  -- A generation: a root, and the documents that were read of those it declares; the root is one of them.
  CREATE TABLE generation (
    doc_id INTEGER NOT NULL REFERENCES document ON DELETE CASCADE,
    root_id INTEGER NOT NULL REFERENCES document ON DELETE CASCADE,
    PRIMARY KEY (doc_id, root_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX generation_by_root ON generation (root_id);

  -- A URL prefix that a repository is served under, as one realm sees it.
  CREATE TABLE base (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL CHECK (url LIKE '%/'),
    realm TEXT NOT NULL,
    UNIQUE (url, realm)
  ) STRICT;

  -- Which root speaks about a base, and when it was seen last. own: 1 when it stands there itself; 0 when it stands elsewhere
  -- and names this base, which is believed along a delegation only.
  CREATE TABLE standing (
    base_id INTEGER NOT NULL REFERENCES base ON DELETE CASCADE,
    own INTEGER NOT NULL,
    root_uri TEXT NOT NULL,
    root_id INTEGER NOT NULL REFERENCES document ON DELETE CASCADE,
    seen_ms INTEGER NOT NULL,
    PRIMARY KEY (base_id, own, root_uri, root_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX standing_by_root ON standing (root_id, base_id);

  -- Bases that somebody named as one repository: uri is that of the metalink or mirrorlist, or what configuration calls it.
  CREATE TABLE repo (
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL,
    realm TEXT NOT NULL,
    ecosystem TEXT NOT NULL,
    via TEXT NOT NULL CHECK (via IN ('metalink', 'mirrorlist', 'config')),
    expires_ms INTEGER NOT NULL,
    UNIQUE (uri, realm)
  ) STRICT;
  CREATE TABLE mirror (
    repo_id INTEGER NOT NULL REFERENCES repo ON DELETE CASCADE,
    base_id INTEGER NOT NULL REFERENCES base ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (repo_id, base_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX mirror_by_base ON mirror (base_id);

  -- The roots that a metalink declares for every mirror, and when it last did.
  CREATE TABLE declared_root (
    repo_id INTEGER NOT NULL REFERENCES repo ON DELETE CASCADE,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    seen_ms INTEGER NOT NULL,
    PRIMARY KEY (repo_id, sha256)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX declared_root_by_digest ON declared_root (sha256);
  `,
  `
  -- When the file was published, where the index tells it.
  ALTER TABLE decl ADD COLUMN published_ms INTEGER;
  -- The same project at other indexes.
  CREATE INDEX document_by_path ON document (path, ecosystem);
  `,
];

export function declarationsFile({ declarationsFile: path }: Layout): DatabaseFile {
  return {
    path,
    what: "the declarations of the store",
    cure: "remove it, and larder learns it anew from the metadata that is stored, and from what passes",
    migrations: DECLARATION_MIGRATIONS,
  };
}
