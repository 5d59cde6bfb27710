import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { PUBLIC_REALM } from "../../core/entry.ts";
import { systemCode } from "../../core/errors.ts";
import { parseTarget } from "../../core/target.ts";
import { connect } from "../../storage/database.ts";
import type { Store } from "../../storage/store.ts";
import { storeBody } from "../storage/bodies.ts";
import { packagesOf, releaseOf, test } from "./learning-bench.ts";

const A = "https://a.example/repository/";
const B = "http://b.example/pub/";
const INDEX = "dists/stable/main/binary-amd64/Packages";

/** More than a worker with a small heap can hold: readers keep every name, to find contradictions. */
const MANY = 20_000;
const HUGE = packagesOf(
  Object.fromEntries(Array.from({ length: MANY }, (_, n) => [`pool/${"x".repeat(3_000)}${n}.deb`, "x"])),
);

describe("the worker", () => {
  test("that runs out of memory leaves nothing, and the next document finds another", async ({
    bench,
    store,
    openLearner,
    log,
  }) => {
    const release = releaseOf({ "main/binary-amd64/Packages": HUGE });
    await bench.pass(`${A}dists/stable/Release`, release);
    const before = bench.index.counts();
    const learner = openLearner({ maxHeapMib: 48 });
    await bench.learner.close();
    const { digest } = await storeBody(store, A + INDEX, Buffer.from(HUGE));
    const job = { target: parseTarget(A + INDEX), digest, realm: PUBLIC_REALM };
    expect(await learner.learn(job)).toEqual({ kind: "broken", reason: "the learning worker ran out of memory" });
    expect(bench.index.counts()).toEqual(before);
    expect(log.lines).toHaveLength(1);
    const root = { ...job, target: parseTarget(`${B}dists/stable/Release`), digest: digestOf(release) };
    expect(await learner.learn(root)).toEqual({ kind: "known" });
  });

  test("that is ended in the middle of a document leaves nothing, and the store can be learnt from again", async ({
    bench,
    openLearner,
    rootDir,
  }) => {
    await bench.pass(`${A}dists/stable/Release`, releaseOf({ "main/binary-amd64/Packages": HUGE }));
    const before = bench.index.counts();
    const outcome = bench.pass(A + INDEX, HUGE);
    await someoneWrites(rootDir);
    await bench.learner.close();
    expect(await outcome).toMatchObject({ kind: "failed" });
    expect(bench.index.counts()).toEqual(before);
    const job = { target: parseTarget(A + INDEX), digest: digestOf(HUGE), realm: PUBLIC_REALM };
    expect(await openLearner().learn(job)).toMatchObject({ kind: "learnt", declarations: MANY });
  });
});

/** Ends each thread that is started from now on after some turns of the event loop: as it starts, as it reads, as it writes. */
function crashThreads(turns: readonly number[]): { readonly crashed: () => number } {
  const left = turns.values();
  let crashed = 0;
  const crashLater = async (worker: Worker, turn: number): Promise<void> => {
    for (let turned = 0; turned < turn; turned++) await nextTurn();
    crashed += 1;
    await worker.terminate();
  };
  const crash = (worker: Worker): void => {
    const { value, done } = left.next();
    if (done === true) process.off("worker", crash);
    else void crashLater(worker, value);
  };
  process.on("worker", crash);
  onTestFinished(() => void process.off("worker", crash));
  return { crashed: () => crashed };
}

describe("a worker that crashes", () => {
  const jobsFor = async (store: Store, base: string) => {
    const packages = packagesOf(Object.fromEntries([...Array(500).keys()].map((n) => [`pool/${n}.deb`, base])));
    const release = releaseOf({ "main/binary-amd64/Packages": packages });
    const bodies = { "dists/stable/Release": release, [INDEX]: packages };
    return Promise.all(
      Object.entries(bodies).map(async ([path, body]) => {
        const { digest } = await storeBody(store, base + path, Buffer.from(body));
        return { target: parseTarget(base + path), digest, realm: PUBLIC_REALM };
      }),
    );
  };

  test("at any moment is started anew and reads again what it was reading, and one line says so", async ({
    bench,
    store,
    openLearner,
    log,
  }) => {
    for (const [round, turns] of [1, 50, 2_000, 10_000, 40_000, 100_000].entries()) {
      const base = `https://crash-${round}.example/`;
      const jobs = await jobsFor(store, base);
      const learner = openLearner();
      const { crashed } = crashThreads([turns]);
      const outcomes = await Promise.all(jobs.map((job) => learner.learn(job)));
      expect(outcomes.map(({ kind }) => kind)).toEqual(["learnt", "learnt"]);
      expect(bench.digestAt(`${base}pool/499.deb`)).toBe(digestOf(base));
      await learner.close();
      if (round < 2) expect(crashed()).toBe(1);
    }
    const said = log.lines.map(({ level, message }) => ({ level, message }));
    expect(said.length).toBeGreaterThan(1);
    for (const line of said) expect(line).toEqual({ level: "warn", message: expect.stringContaining("started anew") });
  });

  test("again and again fails one document after the other, waits for none, and learns when that is over", async ({
    bench,
    store,
    openLearner,
    log,
  }) => {
    const jobs = await jobsFor(store, A);
    const learner = openLearner();
    crashThreads([0, 0, 0, 0]);
    const outcomes = await Promise.all(jobs.map((job) => learner.learn(job)));
    expect(outcomes.map(({ kind }) => kind)).toEqual(["failed", "ignored"]);
    expect(learner.pending(`${A}pool/1.deb`, PUBLIC_REALM)).toBeUndefined();
    expect(log.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    process.removeAllListeners("worker");
    for (const job of jobs) expect(await learner.learn(job)).toMatchObject({ kind: "learnt" });
    expect(bench.digestAt(`${A}pool/1.deb`)).toBe(digestOf(A));
  });

  test("does not come to an end with a document: that is not learnt, and others are", async ({
    bench,
    openLearner,
  }) => {
    const release = releaseOf({ "main/binary-amd64/Packages": "x" });
    await bench.pass(`${A}dists/stable/Release`, release);
    const impatient = openLearner({ maxTaskMs: 1 });
    const job = { target: parseTarget(`${B}dists/stable/Release`), digest: digestOf(release), realm: PUBLIC_REALM };
    expect(await impatient.learn(job)).toMatchObject({
      kind: "broken",
      reason: expect.stringContaining("took longer"),
    });
    await impatient.close();
    expect(await bench.learner.learn(job)).toMatchObject({ kind: "known" });
  });
});

/** Resolves as soon as a document is being written: SQLite has one writer at a time. */
async function someoneWrites(rootDir: string): Promise<void> {
  const db = connect(join(rootDir, "declarations.sqlite"), { timeout: 0 });
  try {
    for (;;) {
      db.exec("BEGIN IMMEDIATE; ROLLBACK");
      await nextTurn();
    }
  } catch (error) {
    if (systemCode(error) !== "SQLITE_BUSY") throw error;
  } finally {
    db.close();
  }
}
