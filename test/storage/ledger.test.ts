import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { openLedger } from "../../storage/ledger.ts";
import type { Ledger, LedgerEvent } from "../../storage/store.ts";
import { test as base } from "./workbench.ts";

const test = base
  .extend("stateDir", ({ folder }) => join(folder, "state"))
  .extend("ledger", async ({ stateDir, clock, log }, { onCleanup }): Promise<Ledger> => {
    const ledger = await openLedger({ stateDir, clock: clock.read, log });
    onCleanup(() => ledger.close());
    return ledger;
  });

function event(about: Partial<LedgerEvent> = {}): LedgerEvent {
  return {
    session: undefined,
    atMs: 1_000,
    method: "GET",
    uri: "http://o/a.rpm",
    class: "payload",
    ecosystem: "rpm",
    status: 200,
    digest: digestOf("a"),
    bytes: 100,
    originBytes: 0,
    isHit: true,
    ...about,
  };
}

/** Every event that is in the file, as another process sees it. */
function written(stateDir: string): readonly unknown[] {
  const db = new Database(join(stateDir, "ledger.sqlite"), { readonly: true });
  try {
    return db.prepare("SELECT * FROM event ORDER BY id").all();
  } finally {
    db.close();
  }
}

test("a receipt adds up what its session took, and nothing of others", async ({ ledger, clock }) => {
  const session = ledger.openSession("image build");
  const other = ledger.openSession("another");
  expect(other).not.toBe(session);
  ledger.record(event({ session, isHit: false, originBytes: 100 }));
  ledger.record(event({ session }));
  ledger.record(event({ session, status: 304, bytes: 0 }));
  ledger.record(event({ session, class: "root", bytes: 10, originBytes: 10, isHit: false }));
  ledger.record(event({ session, method: "HEAD", bytes: 0 }));
  ledger.record(event({ session, status: 404, bytes: 7, originBytes: 7, isHit: false }));
  ledger.record(event({ session: other, bytes: 5_000 }));
  ledger.record(event({ bytes: 6_000 }));
  clock.advance(2_500);
  expect(ledger.closeSession(session)).toEqual({
    session,
    requests: 6,
    payloads: 3,
    hits: 2,
    bytes: 217,
    originBytes: 117,
    savedBytes: 100,
    seconds: 2.5,
  });
});

test("a session that took nothing has an empty receipt, and more from origins than to clients saves nothing", async ({
  ledger,
}) => {
  const empty = ledger.openSession("empty");
  expect(ledger.closeSession(empty)).toMatchObject({ requests: 0, payloads: 0, bytes: 0, savedBytes: 0, seconds: 0 });
  const cut = ledger.openSession("cut");
  ledger.record(event({ session: cut, bytes: 10, originBytes: 90, isHit: false }));
  expect(ledger.closeSession(cut)).toMatchObject({ originBytes: 90, savedBytes: 0 });
});

test("a damaged ledger is set aside and said, and a new one records", async ({ folder, clock, log }) => {
  const stateDir = join(folder, "damaged-state");
  await mkdir(stateDir);
  await writeFile(join(stateDir, "ledger.sqlite"), "this was a ledger once ".repeat(500));
  const ledger = await openLedger({ stateDir, clock: clock.read, log });
  expect(ledger.closeSession(ledger.openSession("after"))).toMatchObject({ requests: 0 });
  ledger.close();
  expect(log.lines).toMatchObject([{ level: "warn", message: expect.stringMatching(/damaged: the ledger/) }]);
  const [aside = ""] = (await readdir(stateDir)).filter((name) => name.startsWith("ledger.damaged-"));
  expect(await readFile(join(stateDir, aside), "utf8")).toMatch(/^this was a ledger/);
});

test("a session that nobody opened has no receipt", async ({ ledger }) => {
  expect(() => ledger.closeSession("4711")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
});

test("events gather and are written in one group, with everything they say", async ({ ledger, stateDir }) => {
  const session = ledger.openSession("group");
  ledger.record(event({ session }));
  ledger.record(event({ ecosystem: undefined, digest: undefined, isHit: false, originBytes: 9 }));
  expect(written(stateDir)).toEqual([]);
  ledger.closeSession(session);
  expect(written(stateDir)).toEqual([
    {
      id: 1,
      session_id: Number(session),
      at_ms: 1_000,
      method: "GET",
      uri: "http://o/a.rpm",
      class: "payload",
      ecosystem: "rpm",
      status: 200,
      sha256: Buffer.from(digestOf("a"), "hex"),
      bytes: 100,
      origin_bytes: 0,
      is_hit: 1,
    },
    expect.objectContaining({ session_id: null, ecosystem: null, sha256: null, is_hit: 0, origin_bytes: 9 }),
  ]);
});

test("a full group is written without waiting, and the rest soon", async ({ ledger, stateDir }) => {
  for (let n = 0; n < 501; n++) ledger.record(event());
  expect(written(stateDir)).toHaveLength(500);
  await expect.poll(() => written(stateDir)).toHaveLength(501);
});

test("what was recorded before the ledger closed is there when it is opened again", async ({
  ledger,
  stateDir,
  clock,
  log,
}) => {
  const session = ledger.openSession("restart");
  ledger.record(event({ session }));
  ledger.close();
  const again = await openLedger({ stateDir, clock: clock.read, log });
  again.record(event({ session }));
  expect(again.closeSession(session)).toMatchObject({ requests: 2, bytes: 200 });
  again.close();
});

test("a ledger that cannot be written says so once, keeps what it can, and records never fail", async ({
  ledger,
  stateDir,
  log,
}) => {
  const session = ledger.openSession("held up");
  const blocker = new Database(join(stateDir, "ledger.sqlite"));
  blocker.exec("CREATE TRIGGER refuse BEFORE INSERT ON event BEGIN SELECT raise(ABORT, 'no'); END");
  for (let n = 0; n < 1_500; n++) ledger.record(event({ session }));
  expect(log.lines).toMatchObject([{ level: "error", facts: { fault: "ledger" } }]);
  expect(() => ledger.closeSession(session)).toThrow(expect.objectContaining({ code: "STORE_UNWRITABLE" }));
  blocker.exec("DROP TRIGGER refuse");
  blocker.close();
  expect(ledger.closeSession(session)).toMatchObject({ requests: 1_500 });
});
