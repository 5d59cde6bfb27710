import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "vitest";
import { connect, openDatabase } from "../../storage/database.ts";
import { test } from "./workbench.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const FILE = { what: "the database of a test", cure: "none", migrations: ["CREATE TABLE t (x INTEGER) STRICT"] };

test("no connection and no statement ever becomes garbage, for Node 24 aborts when it meets one", async ({
  folder,
}) => {
  const path = join(folder, "kept.sqlite");
  const kept = use(path);
  await new Promise(setImmediate);
  collectGarbage();
  expect(kept.map((reference) => reference.deref() !== undefined)).toEqual(kept.map(() => true));
});

test("the same text is the same statement on one connection", ({ folder }) => {
  const [one, other] = [connect(join(folder, "a.sqlite"), {}), connect(join(folder, "a.sqlite"), {})];
  expect(one.prepare("SELECT 1")).toBe(one.prepare("SELECT 1"));
  expect(one.prepare("SELECT 1")).not.toBe(other.prepare("SELECT 1"));
  one.close();
  other.close();
});

/** Everything that a connection made is out of reach when this returns. */
function use(path: string): WeakRef<object>[] {
  const db = openDatabase({ ...FILE, path });
  const statement = db.prepare("SELECT 1 AS one");
  db.close();
  return [new WeakRef(db), new WeakRef(statement)];
}
