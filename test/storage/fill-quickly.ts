import { mkdir, writeFile } from "node:fs/promises";
import Database from "better-sqlite3";
import { systemClock } from "../../core/clock.ts";
import { digestOf } from "../../core/digest.ts";
import { silentLog } from "../../core/log.ts";
import { keyHash } from "../../storage/keys.ts";
import { layoutOf } from "../../storage/layout.ts";
import { openStore } from "../../storage/open-store.ts";

/** As many as a response has on the average. */
const FIELDS = JSON.stringify(
  Array.from({ length: 12 }, (_, n) => [`Field-${n}`, `what the origin said of it in number ${n}`]).flat(),
);
/** Files that are written at once. */
const FILES_AT_ONCE = 200;

const uriOf = (n: number): string => `https://o.test/pool/main/package-${n}_1.0-1_all.deb`;
const bodyOf = (n: number): string => `body ${n}`;

/** Makes a store of many blobs with an entry each, without the wait until each is durable. */
export async function fillQuickly(rootDir: string, count: number): Promise<void> {
  const layout = layoutOf(rootDir);
  await (await openStore({ rootDir, maxBytes: 2 ** 30, clock: systemClock, log: silentLog })).close();
  const shards = Array.from({ length: 256 }, (_, n) => Buffer.from([n]).toString("hex"));
  for (const shard of shards) await mkdir(layout.shardDir(shard), { recursive: true });
  for (let first = 0; first < count; first += FILES_AT_ONCE) {
    const some = Array.from({ length: Math.min(FILES_AT_ONCE, count - first) }, (_, n) => bodyOf(first + n));
    await Promise.all(some.map((body) => writeFile(layout.blobFile(digestOf(body)), body, { mode: 0o444 })));
  }
  const db = new Database(layout.indexFile);
  db.transaction(() => writeRows(db, count))();
  db.close();
}

function writeRows(db: Database.Database, count: number): void {
  const blob = db.prepare("INSERT INTO blob (sha256, bytes, synced, last_used_ms) VALUES (?, ?, 1, 0)");
  const access = db.prepare("INSERT INTO access (sha256, realm) VALUES (?, 'public')");
  const entry = db.prepare(
    `INSERT INTO entry (key_hash, variant, realm, method, uri, sha256, status, fields, selecting, class, request_ms, response_ms, stored_ms)
     VALUES (?, '', 'public', 'GET', ?, ?, 200, ?, '[]', 'payload', 0, 0, 0)`,
  );
  for (let n = 0; n < count; n++) {
    const sha256 = Buffer.from(digestOf(bodyOf(n)), "hex");
    blob.run(sha256, bodyOf(n).length);
    access.run(sha256);
    entry.run(keyHash(`GET ${uriOf(n)}`), uriOf(n), sha256, FIELDS);
  }
}
