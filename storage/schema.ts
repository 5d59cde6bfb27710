import type { DatabaseFile } from "./database.ts";
import type { Layout } from "./layout.ts";

/**
 * The index, version by version: step n takes `user_version` from n to n + 1. Never edit a step that was released; add
 * one.
 *
 * Units: `*_ms` are milliseconds since the Unix epoch, `bytes` are bytes, `sha256` and `digest` are raw digests,
 * `path_hash` and `key_hash` the first 16 bytes of the sha256 of the text beside them. docs/storage-format.md explains
 * each column.
 */
export const INDEX_MIGRATIONS: readonly string[] = [
  `
  -- What is on disk. keep: 1 once a root or member named it (evicted last), else 0.
  CREATE TABLE blob (
    sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32),
    bytes INTEGER NOT NULL,
    synced INTEGER NOT NULL DEFAULT 0,
    last_used_ms INTEGER NOT NULL,
    keep INTEGER NOT NULL DEFAULT 0,
    pins INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX blob_by_use ON blob (keep, last_used_ms) WHERE pins = 0;
  CREATE INDEX blob_unsynced ON blob (sha256) WHERE synced = 0;

  -- Stored responses. fields and selecting are JSON arrays of name, value, name, value …
  CREATE TABLE entry (
    key_hash BLOB NOT NULL CHECK (length(key_hash) = 16),
    variant TEXT NOT NULL,
    realm TEXT NOT NULL,
    method TEXT NOT NULL,
    uri TEXT NOT NULL,
    sha256 BLOB NOT NULL REFERENCES blob ON DELETE CASCADE,
    status INTEGER NOT NULL,
    fields TEXT NOT NULL,
    selecting TEXT NOT NULL,
    class TEXT CHECK (class IN ('payload', 'root', 'member', 'other')),
    request_ms INTEGER NOT NULL,
    response_ms INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL,
    PRIMARY KEY (key_hash, variant, realm)
  ) STRICT;
  CREATE INDEX entry_by_blob ON entry (sha256);

  -- Who may be answered with a blob by its digest alone.
  CREATE TABLE access (
    sha256 BLOB NOT NULL REFERENCES blob ON DELETE CASCADE,
    realm TEXT NOT NULL,
    PRIMARY KEY (sha256, realm)
  ) STRICT, WITHOUT ROWID;

  -- The same bytes under another digest; sha1 and md5 only tell what came from the same URI again.
  CREATE TABLE alias (
    alg TEXT NOT NULL,
    digest BLOB NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY (alg, digest)
  ) STRICT, WITHOUT ROWID;

  -- A blob that names others: a root its members, a narinfo its nar.
  CREATE TABLE edge (
    parent_sha256 BLOB NOT NULL REFERENCES blob ON DELETE CASCADE,
    child_sha256 BLOB NOT NULL,
    PRIMARY KEY (parent_sha256, child_sha256)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX edge_by_child ON edge (child_sha256);

  -- Bases that gave wrong bytes for a path, with growing back-off.
  CREATE TABLE quarantine (
    base TEXT NOT NULL,
    path_hash BLOB NOT NULL,
    until_ms INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (base, path_hash)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Answers whose beginning went out unverified, and has not proved right since: place is which bytes for whom.
  CREATE TABLE unproven (
    key_hash BLOB NOT NULL,
    place_hash BLOB NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (key_hash, place_hash)
  ) STRICT, WITHOUT ROWID;

  -- The root that each client took last of each repository and scope.
  CREATE TABLE taken_root (
    client TEXT NOT NULL,
    place TEXT NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    taken_ms INTEGER NOT NULL,
    PRIMARY KEY (client, place)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- The first index of all (version 1, as of commit 0b414b5) held declarations, which have a database of their own since.
  DROP TABLE IF EXISTS decl;
  DROP TABLE IF EXISTS generation;
  DROP TABLE IF EXISTS base;
  DROP TABLE IF EXISTS repo;

  -- Roots and members are few among many: storage/maintenance/rows.ts reads them by themselves.
  CREATE INDEX entry_by_kept_class ON entry (class) WHERE class = 'root' OR class = 'member';
  `,
];

export function indexFile({ indexFile: path, rootDir }: Layout): DatabaseFile {
  return {
    path,
    what: "the index of the store",
    cure: `\`larder store rebuild --root ${rootDir}\`, or the next \`larder serve\`, sets it aside, goes back to its daily copy and takes in what came after that`,
    migrations: INDEX_MIGRATIONS,
  };
}

export function indexCopyFile({ indexCopyFile: path }: Layout): DatabaseFile {
  return {
    path,
    what: "the copy of the index",
    cure: "remove it; larder makes another within the hour",
    migrations: INDEX_MIGRATIONS,
  };
}
