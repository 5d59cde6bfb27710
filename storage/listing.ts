import type { Database } from "./database.ts";
import { fromRaw } from "./keys.ts";
import type { StoreListing } from "./store.ts";

interface ListingRow {
  readonly uri: string;
  readonly realm: string;
  readonly status: number;
  readonly sha256: Buffer;
  readonly bytes: number;
  readonly stored_ms: number;
  readonly last_used_ms: number;
}

/** As {@link Store.list}. */
export function listEntries(
  db: Database,
  { containing = "", limit }: { readonly containing?: string; readonly limit: number },
): readonly StoreListing[] {
  return db
    .prepare<[string, number], ListingRow>(
      `SELECT uri, realm, status, sha256, bytes, stored_ms, last_used_ms FROM entry JOIN blob USING (sha256)
       WHERE instr(uri, ?) > 0 ORDER BY last_used_ms DESC, uri LIMIT ?`,
    )
    .all(containing, limit)
    .map((row) => ({
      uri: row.uri,
      realm: row.realm,
      status: row.status,
      digest: fromRaw(row.sha256),
      bytes: row.bytes,
      storedMs: row.stored_ms,
      lastUsedMs: row.last_used_ms,
    }));
}
