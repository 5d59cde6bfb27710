import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { PUBLIC_REALM } from "../../core/entry.ts";
import { parseTarget } from "../../core/target.ts";
import { storeBody } from "../storage/bodies.ts";
import { packagesOf, releaseOf, test } from "./learning-bench.ts";

const A = "https://a.example/repository/";
const B = "http://b.example/pub/";
const C = "https://c.example/";
const INDEX = "dists/stable/main/binary-amd64/Packages";
const DAY_MS = 24 * 60 * 60 * 1000;

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

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await nextTurn();
}
