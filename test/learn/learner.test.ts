import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, onTestFinished } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { PUBLIC_REALM } from "../../core/entry.ts";
import { systemCode } from "../../core/errors.ts";
import { parseTarget } from "../../core/target.ts";
import { connect } from "../../storage/database.ts";
import type { Store } from "../../storage/store.ts";
import { storeBody } from "../storage/bodies.ts";
import { createAptRepository } from "../support/repositories/apt-repository.ts";
import { DELEGATES, packagesOf, releaseOf, test } from "./learning-bench.ts";
import { createRpmRepository } from "./rpm-repository.ts";

const A = "https://a.example/repository/";
const B = "http://b.example/pub/";
const C = "https://c.example/";
const INDEX = "dists/stable/main/binary-amd64/Packages";
const DAY_MS = 24 * 60 * 60 * 1000;

describe("a Debian repository made by apt-ftparchive", () => {
  test("declares its packages through InRelease and Packages", async ({ bench, folder }) => {
    const { folder: repository } = await createAptRepository(folder, ["one", "two"]);
    expect(await bench.passFile(A, repository, "dists/stable/InRelease")).toMatchObject({ kind: "learnt" });
    expect(bench.find(`${A}${INDEX}.gz`)).toMatchObject({ kind: "member", isIndex: true, ecosystem: "deb" });
    expect(await bench.passFile(A, repository, `${INDEX}.gz`)).toEqual({ kind: "learnt", declarations: 2, skipped: 0 });
    for (const file of await readdir(join(repository, "pool"))) {
      const bytes = await readFile(join(repository, "pool", file));
      expect(bench.find(`${A}pool/${file}`)).toMatchObject({
        kind: "payload",
        declaration: { algorithm: "sha256", digest: digestOf(bytes), bytes: bytes.length },
        root: { uri: `${A}dists/stable/InRelease` },
        version: "1.0",
        arch: "all",
      });
    }
  });
});

describe("an RPM repository made by createrepo_c", () => {
  test("is read once for all its mirrors, and for those a metalink names before anything of them was seen", async ({
    bench,
    folder,
  }) => {
    const repository = await createRpmRepository(folder, ["one", "two"]);
    const repomd = await readFile(join(repository.folder, "repodata/repomd.xml"));
    const primary = await repository.indexOf("primary");
    expect(await bench.pass(`${A}repodata/repomd.xml`, repomd)).toMatchObject({ kind: "learnt" });
    expect(await bench.passFile(A, repository.folder, primary)).toEqual({
      kind: "learnt",
      declarations: 2,
      skipped: 0,
    });
    expect(await bench.pass(`${B}repodata/repomd.xml`, repomd)).toEqual({ kind: "known" });
    const metalink = metalinkOf(repomd, [A, C]);
    expect(await bench.pass(`${DELEGATES}metalink?repo=fedora`, metalink)).toMatchObject({
      kind: "learnt",
      declarations: 2,
    });
    for (const path of repository.packages) {
      const digest = digestOf(await readFile(join(repository.folder, path)));
      for (const base of [A, B, C]) expect(bench.digestAt(base + path)).toBe(digest);
      expect(bench.find(A + path)?.ecosystem).toBe("rpm");
    }
    expect(bench.index.mirrorsOf(A, { realm: PUBLIC_REALM, nowMs: 0 })).toEqual([C]);
  });

  test("is one repository at the bases that configuration names, as long as it does", async ({ bench, folder }) => {
    const repository = await createRpmRepository(folder, ["one"]);
    await bench.learner.configure([{ name: "fedora", ecosystem: "rpm", bases: [A, C] }]);
    await bench.passFile(A, repository.folder, "repodata/repomd.xml");
    await bench.passFile(A, repository.folder, await repository.indexOf("primary"));
    expect(bench.digestAt(C + repository.packages[0])).toBe(bench.digestAt(A + repository.packages[0]));
    expect(bench.digestAt(C + repository.packages[0])).toBeDefined();
    await bench.learner.configure([{ name: "other", ecosystem: "rpm", bases: [A, B] }]);
    expect(bench.digestAt(C + repository.packages[0])).toBeUndefined();
    expect(bench.digestAt(B + repository.packages[0])).toBeDefined();
  });
});

describe("a member", () => {
  const packages = packagesOf({ "pool/one.deb": "one" });

  test("is believed only when a root declares its very bytes at its path", async ({ bench }) => {
    expect(await bench.pass(A + INDEX, packages)).toEqual({ kind: "ignored" });
    await bench.pass(`${A}dists/stable/Release`, releaseOf({ "main/binary-amd64/Packages": packages }));
    expect(await bench.pass(A + INDEX, packagesOf({ "pool/one.deb": "evil" }))).toEqual({ kind: "ignored" });
    expect(await bench.pass(`${A}dists/stable/main/binary-arm64/Packages`, packages)).toEqual({ kind: "ignored" });
    expect(bench.find(`${A}pool/one.deb`)).toBeUndefined();
    expect(await bench.pass(A + INDEX, packages)).toMatchObject({ kind: "learnt" });
    expect(bench.digestAt(`${A}pool/one.deb`)).toBe(digestOf("one"));
  });

  test("is the same document by its own name and below by-hash, where its root allows that", async ({ bench }) => {
    const release = releaseOf({ "main/binary-amd64/Packages": packages }, "Suite: stable\nAcquire-By-Hash: yes\n");
    await bench.pass(`${A}dists/stable/Release`, release);
    const byHash = `${A}dists/stable/main/binary-amd64/by-hash/SHA256/${digestOf(packages)}`;
    expect(await bench.pass(byHash, packages)).toMatchObject({ kind: "learnt" });
    expect(await bench.pass(A + INDEX, packages)).toEqual({ kind: "known" });
    expect(bench.digestAt(`${A}pool/one.deb`)).toBe(digestOf("one"));
    const member = bench.find(A + INDEX);
    expect(member === undefined ? undefined : bench.index.otherNames(member)).toEqual([byHash]);
  });

  test("that did not change belongs to the next generation without being handed in again", async ({ bench, clock }) => {
    const files = { "main/binary-amd64/Packages": packages };
    await bench.pass(`${A}dists/stable/Release`, releaseOf(files));
    await bench.pass(A + INDEX, packages);
    clock.advance(1000);
    const next = releaseOf({ ...files, "main/binary-arm64/Packages": "new" });
    await bench.pass(`${A}dists/stable/Release`, next);
    expect(bench.find(`${A}pool/one.deb`)?.root.digest).toBe(digestOf(next));
  });

  test("declared by sha512 alone is known by that", async ({ bench }) => {
    const sha512 = createHash("sha512").update(packages).digest("hex");
    const release = `Suite: stable\nSHA512:\n ${sha512} ${packages.length} main/binary-amd64/Packages\n`;
    await bench.pass(`${A}dists/stable/Release`, release);
    expect(await bench.pass(A + INDEX, packages)).toMatchObject({ kind: "learnt" });
    expect(bench.digestAt(`${A}pool/one.deb`)).toBe(digestOf("one"));
  });

  test("of another realm declares nothing to the public", async ({ bench }) => {
    const release = releaseOf({ "main/binary-amd64/Packages": packages });
    await bench.pass(`${A}dists/stable/Release`, release, "somebody");
    await bench.pass(A + INDEX, packages, "somebody");
    expect(bench.find(`${A}pool/one.deb`)).toBeUndefined();
    expect(bench.find(`${A}pool/one.deb`, "somebody")).toBeDefined();
  });
});

describe("a name", () => {
  test("is found however a client writes it", async ({ bench }) => {
    const segment = fc
      .stringMatching(/^[A-Za-z0-9._~+:,=@ %#?&é[\]^-]{1,12}$/)
      .filter((text) => !/^\.+$|^ | $/.test(text));
    const names = fc
      .sample(fc.array(segment, { minLength: 1, maxLength: 3 }), 60)
      .map((parts) => `pool/${parts.join("/")}`);
    const packages = packagesOf(Object.fromEntries(names.map((name) => [name, name])));
    await bench.pass(`${A}dists/stable/Release`, releaseOf({ "main/binary-amd64/Packages": packages }));
    expect(await bench.pass(A + INDEX, packages)).toMatchObject({ kind: "learnt", skipped: 0 });
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.array(fc.nat(2), { minLength: 40, maxLength: 40 }),
        (name, spelling) => {
          expect(bench.digestAt(A + spell(name, spelling))).toBe(digestOf(name));
        },
      ),
    );
  });
});

describe("what is broken", () => {
  test("is not learnt, not read again, and one line says why", async ({ bench, log }) => {
    const cut = gzipSync(packagesOf({ "pool/one.deb": "one" })).subarray(0, 60);
    await bench.pass(`${A}dists/stable/Release`, releaseOf({ "main/binary-amd64/Packages.gz": cut }));
    const before = bench.index.counts();
    const outcome = await bench.pass(`${A}${INDEX}.gz`, cut);
    expect(outcome).toMatchObject({ kind: "broken", reason: expect.any(String) });
    expect(await bench.pass(`${A}${INDEX}.gz`, cut)).toBe(outcome);
    expect(bench.index.counts()).toEqual(before);
    expect(log.lines).toEqual([
      {
        level: "warn",
        facts: { uri: `${A}${INDEX}.gz`, digest: digestOf(cut), reason: outcome.kind === "broken" && outcome.reason },
        message: "metadata is broken; nothing is learnt from it",
      },
    ]);
  });

  test("may be a root: the one before stays", async ({ bench, clock }) => {
    const packages = packagesOf({ "pool/one.deb": "one" });
    const release = releaseOf({ "main/binary-amd64/Packages": packages });
    await bench.pass(`${A}dists/stable/Release`, release);
    await bench.pass(A + INDEX, packages);
    clock.advance(1000);
    expect(await bench.pass(`${A}dists/stable/Release`, "<html>please log in</html>\n")).toMatchObject({
      kind: "broken",
    });
    expect(bench.find(`${A}pool/one.deb`)?.root.digest).toBe(digestOf(release));
  });

  test("may be what is declared about one path: that is believed in neither way, the rest is", async ({ bench }) => {
    const packages = `${packagesOf({ "pool/one.deb": "one", "pool/two.deb": "two" })}\n${packagesOf({ "pool/one.deb": "uno" })}`;
    await bench.pass(`${A}dists/stable/Release`, releaseOf({ "main/binary-amd64/Packages": packages }));
    expect(await bench.pass(A + INDEX, packages)).toEqual({ kind: "learnt", declarations: 1, skipped: 1 });
    expect(bench.find(`${A}pool/one.deb`)).toBeUndefined();
    expect(bench.digestAt(`${A}pool/two.deb`)).toBe(digestOf("two"));
  });

  test("may be the store: a blob that is gone fails, and can be learnt when it is back", async ({
    bench,
    store,
    log,
  }) => {
    const release = releaseOf({ "main/binary-amd64/Packages": "x" });
    const job = { target: parseTarget(`${A}dists/stable/Release`), digest: digestOf(release), realm: PUBLIC_REALM };
    expect(await bench.learner.learn(job)).toMatchObject({ kind: "failed" });
    expect(await bench.learner.learn(job)).toMatchObject({ kind: "failed" });
    expect(log.lines.map(({ level }) => level)).toEqual(["error"]);
    await storeBody(store, job.target.uri, Buffer.from(release));
    expect(await bench.learner.learn(job)).toMatchObject({ kind: "learnt" });
  });
});

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

describe("documents on their way", () => {
  const packages = packagesOf({ "pool/one.deb": "one" });
  const release = releaseOf({ "main/binary-amd64/Packages": packages });

  test("are waited for by whoever asks below their base or its mirrors, and by nobody else", async ({ bench }) => {
    await bench.learner.configure([{ name: "debian", ecosystem: "deb", bases: [A, C] }]);
    const pending = (uri: string, realm = PUBLIC_REALM) => bench.learner.pending(uri, realm);
    expect(pending(`${A}pool/one.deb`)).toBeUndefined();
    const passing = [bench.pass(`${A}dists/stable/Release`, release), bench.pass(A + INDEX, packages)];
    await until(() => pending(`${A}pool/one.deb`) !== undefined);
    const handedIn = pending(`${A}pool/one.deb`);
    expect(pending(`${C}pool/one.deb`)).toBeDefined();
    expect(pending(`${B}pool/one.deb`)).toBeUndefined();
    expect(pending(`${A}pool/one.deb`, "somebody")).toBeUndefined();
    await handedIn;
    await Promise.all(passing);
    expect(pending(`${A}pool/one.deb`)).toBeUndefined();
  });

  test("are read in the order they were handed in, each once however many ask", async ({ bench, store }) => {
    const [root, member] = await Promise.all([
      storeBody(store, `${A}dists/stable/Release`, Buffer.from(release)),
      storeBody(store, A + INDEX, Buffer.from(packages)),
    ]);
    const jobOf = (entry: { key: string; digest: typeof root.digest }) => ({
      target: parseTarget(entry.key.slice("GET ".length)),
      digest: entry.digest,
      realm: PUBLIC_REALM,
    });
    const outcomes = [root, root, member, member].map((entry) => bench.learner.learn(jobOf(entry)));
    expect((await Promise.all(outcomes)).map(({ kind }) => kind)).toEqual(["learnt", "learnt", "learnt", "learnt"]);
    expect(outcomes[1]).toBe(outcomes[0]);
    expect(bench.index.counts()).toEqual({ bases: 1, generations: 1, documents: 2, declarations: 2 });
  });

  test("push out those of old generations once nobody is waiting", async ({ bench, clock }) => {
    for (let day = 0; day < 6; day++) {
      await bench.pass(`${A}dists/stable/Release`, releaseOf({ "main/binary-amd64/Packages": `${day}` }));
      clock.advance(2 * DAY_MS);
    }
    // Comes after whatever the learner had still to do.
    await bench.learner.configure([]);
    expect(bench.index.counts()).toEqual({ bases: 1, generations: 3, documents: 3, declarations: 3 });
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

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await nextTurn();
}

/** A path as a URI has it: each character escaped as it must be, escaped though it need not be, or bare. */
function spell(path: string, spelling: readonly number[]): string {
  return [...path].map((character, at) => spellOne(character, spelling[at % spelling.length] ?? 0)).join("");
}

function spellOne(character: string, spelling: number): string {
  if (character === "/") return spelling === 2 ? "//" : "/";
  if (/[%#? é[\]^]/.test(character) || spelling > 0) return escaped(character, spelling === 2);
  return character;
}

function escaped(character: string, isLowerCase: boolean): string {
  const octets = [...Buffer.from(character)].map((octet) => `%${octet.toString(16).toUpperCase().padStart(2, "0")}`);
  return isLowerCase ? octets.join("").toLowerCase() : octets.join("");
}

function metalinkOf(repomd: Buffer, bases: readonly string[]): string {
  const urls = bases.map(
    (base, at) => `<url protocol="https" preference="${100 - at}">${base}repodata/repomd.xml</url>`,
  );
  return `<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="repomd.xml">
<size>${repomd.length}</size><verification><hash type="sha256">${digestOf(repomd)}</hash></verification>
<resources maxconnections="1">${urls.join("")}</resources></file></files></metalink>
`;
}
