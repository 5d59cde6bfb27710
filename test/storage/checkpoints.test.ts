import { statSync } from "node:fs";
import { expect } from "vitest";
import { checkpoint, walState } from "../../storage/checkpoints/checkpoint.ts";
import { type Checkpointed, Checkpoints } from "../../storage/checkpoints/checkpoints.ts";
import { connect, type Database } from "../../storage/database.ts";
import { openDeclarations } from "../../storage/declarations/open-declarations.ts";
import { FaultLog } from "../../storage/faults.ts";
import { layoutOf } from "../../storage/layout.ts";
import { collect } from "../../storage/maintenance/collect.ts";
import { ThreadEnded } from "../../storage/task-thread.ts";
import { fillQuickly } from "./fill-quickly.ts";
import { PATIENT } from "./maintenance/keeping.ts";
import { test as base } from "./workbench.ts";

const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;
const BIG_ROW = Buffer.alloc(256 * 1024);

/** A database that grows by 256 KiB a row, and what stands in for the thread. */
const test = base.extend("bench", async ({ folder, log }, { onCleanup }) => {
  const path = `${folder}/grown.sqlite`;
  const db = connect(path, {});
  db.exec("PRAGMA journal_mode = WAL; CREATE TABLE grown (row BLOB) STRICT");
  const opened: Checkpoints[] = [];
  onCleanup(async () => {
    for (const one of opened) await one.close();
    db.close();
  });
  const insert = db.prepare<[Buffer]>("INSERT INTO grown VALUES (?)");
  return {
    db,
    checkpoints: (run?: () => Promise<Checkpointed>): Checkpoints => {
      const thread = run === undefined ? {} : { thread: { run, stop: () => Promise.resolve() } };
      const checkpoints = new Checkpoints({ db, path, faults: new FaultLog(log), ...thread });
      opened.push(checkpoints);
      return checkpoints;
    },
    grow: (bytes: number): void => {
      for (let grown = 0; grown < bytes; grown += BIG_ROW.length) insert.run(BIG_ROW);
    },
  };
});

const moved = (db: Database): boolean => walState(db).movedPages > 0;

test("the log stays short however much is evicted, and the one that writes never moves it", {
  timeout: 60_000,
}, async ({ rootDir, open }) => {
  await fillQuickly(rootDir, 12_000);
  const store = await open();
  const { db } = store.parts;
  let writtenPages = 0;
  let before = 0;
  const watch = { signal: PATIENT.signal, onProgress: () => count() };
  const count = (): void => {
    const { pages } = walState(db);
    writtenPages += pages < before ? pages : pages - before;
    before = pages;
  };
  await collect(store.parts, { maxBytes: 0 }, watch);
  const { walFile } = layoutOf(rootDir);
  expect(store.usage()).toMatchObject({ blobs: 0, entries: 0 });
  expect(writtenPages * PAGE_BYTES).toBeGreaterThan(80 * MIB);
  expect(statSync(walFile).size).toBeLessThan(66 * MIB);
});

test("connections that write the index leave its log to the thread", async ({ rootDir, store, clock, log }) => {
  const declarations = openDeclarations({ rootDir, mayDelegate: () => false, clock: clock.read, log });
  for (let n = 0; n < 4_000; n++) declarations.quarantine.add(`https://o.test/${n}/`, `file-${n}`, clock.nowMs);
  expect(walState(store.parts.db).pages).toBeGreaterThan(1_000);
  expect(moved(store.parts.db)).toBe(false);
  declarations.close();
});

test("a log that has grown is moved by a thread, and begins anew", async ({ bench: { db, checkpoints, grow } }) => {
  checkpoints().look();
  grow(24 * MIB);
  const { pages } = walState(db);
  await expect.poll(() => walState(db).pages, { timeout: 20_000 }).toBeLessThan(pages);
  grow(MIB);
  expect(walState(db).pages).toBeLessThan(pages);
});

test("who writes in bulk waits while the log has outrun its checkpoint, and not before", async ({
  bench: { checkpoints, grow },
}) => {
  let answer = (_: Checkpointed): void => undefined;
  const one = checkpoints(() => new Promise((resolve) => (answer = resolve)));
  grow(24 * MIB);
  expect(one.hold()).toBeUndefined();
  grow(48 * MIB);
  let isOver = false;
  const turn = one.turn().then(() => {
    isOver = true;
  });
  await new Promise((next) => setImmediate(next));
  expect(isOver).toBe(false);
  answer({ kind: "moved", isRenewed: true });
  await turn;
  // Before it looks again: nobody would answer.
  await one.close();
});

test("a reader of an old state holds nobody up for good", async ({ bench: { db, checkpoints, grow } }) => {
  grow(MIB);
  const reader = connect(db.name, { readonly: true });
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM grown").get();
  const one = checkpoints();
  grow(72 * MIB);
  await one.turn();
  await one.turn();
  expect(moved(db)).toBe(true);
  reader.close();
});

test("without a thread the log is moved all the same, which is said once", async ({
  bench: { db, checkpoints, grow },
  log,
}) => {
  const one = checkpoints(() => Promise.reject(new ThreadEnded("checkpoint thread", new Error("no memory"))));
  for (let round = 0; round < 3; round++) {
    grow(24 * MIB);
    const { pages } = walState(db);
    one.look();
    await expect.poll(() => walState(db).pages).toBeLessThan(pages);
  }
  expect(log.lines.map(({ facts }) => facts["fault"])).toEqual(["checkpoint"]);
});

test("what the thread says that it could not do is told, and tried again", async ({ bench, log }) => {
  const answers: (() => Checkpointed)[] = [
    () => ({ kind: "failed", message: "the log cannot be written: the disk is full" }),
    () => ({ kind: "moved", isRenewed: checkpoint(bench.db) }),
  ];
  let asked = 0;
  const one = bench.checkpoints(() =>
    Promise.resolve(answers[asked++]?.() ?? { kind: "failed", message: "too often" }),
  );
  for (const times of [1, 2]) {
    bench.grow(24 * MIB);
    one.look();
    await expect.poll(() => asked).toBe(times);
  }
  expect(log.lines.map(({ facts }) => facts["error"])).toEqual(["the log cannot be written: the disk is full"]);
});
