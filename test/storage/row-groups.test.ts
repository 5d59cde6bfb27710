import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect, type Database } from "../../storage/database.ts";
import { RowGroups } from "../../storage/row-groups.ts";

let folder: string;
let db: Database;
let commits: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-row-groups-"));
  db = connect(join(folder, "index.sqlite"), {});
  db.exec("CREATE TABLE name (name TEXT PRIMARY KEY) STRICT");
  commits = 0;
  const transaction = db.transaction.bind(db);
  db.transaction = ((work: () => unknown) => {
    commits += 1;
    return transaction(work);
  }) as typeof db.transaction;
});
afterEach(async () => {
  db.close();
  await rm(folder, { recursive: true });
});

const insert = (name: string) => () => db.prepare<[string]>("INSERT INTO name VALUES (?)").run(name).changes;
const names = () =>
  db
    .prepare<[], { readonly name: string }>("SELECT name FROM name ORDER BY name")
    .all()
    .map(({ name }) => name);

test("what comes together is one transaction, and each hears of its own result", async () => {
  const groups = new RowGroups(db, () => undefined);
  expect(await Promise.all(["a", "b", "c"].map((name) => groups.add(insert(name))))).toEqual([1, 1, 1]);
  expect(names()).toEqual(["a", "b", "c"]);
  expect(commits).toBe(1);
});

test("what cannot be written fails alone", async () => {
  const groups = new RowGroups(db, () => undefined);
  const results = await Promise.allSettled(["a", "b", "a", "c"].map((name) => groups.add(insert(name))));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  expect(names()).toEqual(["a", "b", "c"]);
});

test("a full group does not wait", () => {
  const groups = new RowGroups(db, () => undefined);
  for (let n = 0; n < 64; n += 1) void groups.add(insert(`${n}`));
  expect(names()).toHaveLength(64);
});

test("while it is held, nothing is written; after that all is, a group at a time", async () => {
  let release = (): void => undefined;
  let hold: Promise<void> | undefined = new Promise((resolve) => {
    release = resolve;
  });
  const groups = new RowGroups(db, () => hold);
  const written = Promise.all(Array.from({ length: 100 }, (_, n) => groups.add(insert(`${n}`))));
  await new Promise((turn) => setImmediate(turn));
  expect(names()).toEqual([]);
  hold = undefined;
  release();
  await written;
  expect(names()).toHaveLength(100);
  expect(commits).toBe(2);
});
