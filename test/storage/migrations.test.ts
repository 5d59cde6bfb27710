import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { entryKeyOf, PUBLIC_REALM } from "../../core/entry.ts";
import { openDeclarations } from "../../storage/declarations/open-declarations.ts";
import { layoutOf } from "../../storage/layout.ts";
import { openLedger } from "../../storage/ledger.ts";
import { test as base } from "./workbench.ts";

const FIXTURES = new URL("./fixtures/", import.meta.url);
const INDEXES = ["first-index", "index-1", "index-2", "index-3"] as const;
const VERSIONS = [1, 2] as const;
/** What every fixture is about. */
const BODY = "a package";
const URI = "https://o.test/repo/a.rpm";

const test = base
  .extend("layout", ({ rootDir }) => layoutOf(rootDir))
  .extend("stateDir", ({ folder }) => join(folder, "state"))
  .extend("ledgerFile", ({ stateDir }) => join(stateDir, "ledger.sqlite"))
  /** Makes a database as an earlier larder left it. */
  .extend("make", ({ rootDir, stateDir }) => async (file: string, fixture: string): Promise<void> => {
    await mkdir(rootDir, { recursive: true });
    await mkdir(stateDir, { recursive: true });
    const db = new Database(file);
    db.exec(await readFile(new URL(fixture, FIXTURES), "utf8"));
    db.close();
  });

/** Everything that a schema says, but for the wording of its SQL. */
function shapeOf(file: string): unknown {
  const db = new Database(file, { readonly: true });
  const rows = (sql: string, name: string): unknown[] => db.prepare(sql).all(name);
  const tables = db
    .prepare<[], { name: string }>("SELECT * FROM pragma_table_list WHERE schema = 'main' ORDER BY name")
    .all();
  const shape = tables.map((table) => ({
    table,
    columns: rows("SELECT * FROM pragma_table_xinfo(?)", table.name),
    indexes: rows(
      `SELECT list.name, list."unique", list.partial, info.seqno, info.name AS column, master.sql
       FROM pragma_index_list(?) AS list JOIN pragma_index_info(list.name) AS info
         JOIN sqlite_master AS master ON master.name = list.name ORDER BY list.name, info.seqno`,
      table.name,
    ),
    references: rows("SELECT * FROM pragma_foreign_key_list(?)", table.name),
  }));
  const version = db.prepare("PRAGMA user_version").get();
  db.close();
  return { version, shape };
}

for (const fixture of INDEXES) {
  test(`an index such as ${fixture} becomes as a new one, and its rows are served`, async ({ make, layout, open }) => {
    await make(layout.indexFile, `${fixture}.sql`);
    await mkdir(layout.shardDir(digestOf(BODY).slice(0, 2)), { recursive: true });
    await writeFile(layout.blobFile(digestOf(BODY)), BODY, { mode: 0o444 });
    const store = await open();
    const [entry] = store.find(entryKeyOf("GET", URI));
    expect(entry).toMatchObject({
      class: "payload",
      fields: ["Content-Type", "application/x-rpm"],
      storedMs: 1735689600002,
    });
    expect(await store.readWhole(digestOf(BODY))).toEqual(Buffer.from(BODY));
    expect(store.usage()).toMatchObject({ blobs: 1, entries: 1, blobBytes: BODY.length });
    await store.close();
    const fresh = await open({ rootDir: join(layout.rootDir, "fresh") });
    await fresh.close();
    expect(shapeOf(layout.indexFile)).toEqual(shapeOf(layoutOf(join(layout.rootDir, "fresh")).indexFile));
  });
}

for (const version of VERSIONS) {
  test(`declarations of version ${version} become as new ones, and what they declare is believed`, async ({
    make,
    layout,
    open,
    clock,
    log,
    rootDir,
  }) => {
    await make(layout.indexFile, `index-${version}.sql`);
    await make(layout.declarationsFile, `declarations-${version}.sql`);
    await (await open()).close();
    const options = { mayDelegate: () => false, clock: clock.read, log };
    const index = openDeclarations({ rootDir, ...options });
    const asked = { realm: PUBLIC_REALM, nowMs: clock.nowMs };
    const declared = index.find(URI, asked);
    expect(declared).toMatchObject({ declaration: { algorithm: "sha256", digest: digestOf(BODY) }, version: "1.0-1" });
    expect(index.mirrorsOf("https://o.test/repo/", asked)).toEqual(["https://mirror.test/repo/"]);
    const sha512 = createHash("sha512").update(BODY).digest("hex");
    const alias = { algorithm: "sha512", digest: sha512, bytes: undefined } as const;
    expect(index.findBlob(alias, PUBLIC_REALM)).toEqual({ digest: digestOf(BODY), bytes: BODY.length });
    expect(index.quarantine.until("https://liar.test/", "a.rpm", clock.nowMs)).toBe(clock.nowMs + 60_000);
    index.close();
    const fresh = join(rootDir, "fresh");
    await (await open({ rootDir: fresh })).close();
    openDeclarations({ rootDir: fresh, ...options }).close();
    expect(shapeOf(layout.declarationsFile)).toEqual(shapeOf(layoutOf(fresh).declarationsFile));
  });

  test(`a ledger of version ${version} becomes as a new one, and its session goes on`, async ({
    make,
    stateDir,
    ledgerFile,
    folder,
    clock,
    log,
  }) => {
    await make(ledgerFile, `ledger-${version}.sql`);
    const ledger = await openLedger({ stateDir, clock: clock.read, log });
    expect(ledger.closeSession("7")).toMatchObject({ requests: 1, payloads: 1, hits: 1, savedBytes: BODY.length });
    const pins = version === 1 ? [] : [{ digest: digestOf(BODY), uri: URI }];
    expect(ledger.pinsOf("/srv/larder").all()).toMatchObject(pins);
    ledger.close();
    const fresh = join(folder, "fresh");
    (await openLedger({ stateDir: fresh, clock: clock.read, log })).close();
    expect(shapeOf(ledgerFile)).toEqual(shapeOf(join(fresh, "ledger.sqlite")));
  });
}

test("a copy of an older index takes its place, too", async ({ make, layout, open }) => {
  await make(layout.indexCopyFile, "index-1.sql");
  await mkdir(layout.shardDir(digestOf(BODY).slice(0, 2)), { recursive: true });
  await writeFile(layout.blobFile(digestOf(BODY)), BODY, { mode: 0o444 });
  const store = await open();
  await store.settled();
  expect(store.find(entryKeyOf("GET", URI))).toMatchObject([{ digest: digestOf(BODY) }]);
  expect(await store.readWhole(digestOf(BODY))).toEqual(Buffer.from(BODY));
});

test("there is a fixture of every version there ever was", async ({
  open,
  layout,
  rootDir,
  stateDir,
  ledgerFile,
  clock,
  log,
}) => {
  await (await open()).close();
  openDeclarations({ rootDir, mayDelegate: () => false, clock: clock.read, log }).close();
  (await openLedger({ stateDir, clock: clock.read, log })).close();
  const fixtures = await readdir(FIXTURES);
  const newest = { index: layout.indexFile, declarations: layout.declarationsFile, ledger: ledgerFile };
  for (const [name, file] of Object.entries(newest)) {
    const db = new Database(file, { readonly: true });
    const version = db.pragma("user_version", { simple: true });
    db.close();
    const versions = fixtures.filter((fixture) => fixture.startsWith(`${name}-`)).length;
    expect({ name, versions }).toEqual({ name, versions: version });
  }
});

describe("a database of a newer larder is refused, and left as it was:", () => {
  async function writeNewer(file: string): Promise<Buffer> {
    const db = new Database(file);
    db.exec("CREATE TABLE from_the_future (x); PRAGMA user_version = 4711");
    db.close();
    return readFile(file);
  }

  test("the index", async ({ make, layout, open }) => {
    await make(layout.declarationsFile, "declarations-1.sql");
    const before = await writeNewer(layout.indexFile);
    await expect(open()).rejects.toMatchObject({ code: "STORE_NEWER", details: { version: 4711 } });
    expect(await readFile(layout.indexFile)).toEqual(before);
  });

  test("the declarations", async ({ layout, open, rootDir, clock, log }) => {
    await open();
    const before = await writeNewer(layout.declarationsFile);
    const opening = () => openDeclarations({ rootDir, mayDelegate: () => false, clock: clock.read, log });
    expect(opening).toThrow(expect.objectContaining({ code: "STORE_NEWER" }));
    expect(await readFile(layout.declarationsFile)).toEqual(before);
  });

  test("the ledger", async ({ make: _, stateDir, ledgerFile, clock, log }) => {
    await mkdir(stateDir, { recursive: true });
    const before = await writeNewer(ledgerFile);
    await expect(openLedger({ stateDir, clock: clock.read, log })).rejects.toMatchObject({ code: "STORE_NEWER" });
    expect(await readFile(ledgerFile)).toEqual(before);
  });
});
