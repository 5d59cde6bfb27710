import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect } from "vitest";
import { type Digest, digestOf } from "../../../core/digest.ts";
import { PUBLIC_REALM } from "../../../core/entry.ts";
import { openDeclarations } from "../../../storage/declarations/open-declarations.ts";
import type { MirrorList } from "../../../storage/declarations/standings.ts";
import { layoutOf } from "../../../storage/layout.ts";
import { DELEGATES, type Declaring, declares, ECOSYSTEM, test } from "./declaring.ts";

const A = "https://a.example/fedora/";
const B = "https://b.example/pub/fedora/";
const C = "http://c.example/";
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe("a repository", () => {
  test("declares what its root's indexes declare, with the root that vouches for it", ({ declaring, clock }) => {
    const index = "one-primary.xml";
    declaring.read("one", "root", [declares(`repodata/${index}`, index, { kind: "member", reading: "{}" })]);
    declaring.stand(A, "one");
    const bash = declares("p/bash.rpm", "bash", { name: "bash", version: "5.2-1", arch: "x86_64" });
    declaring.noteMember(declaring.read(index, "member", [bash]), `repodata/${index}`);
    expect(declaring.find(`${A}p/bash.rpm`)).toEqual({
      declaration: { algorithm: "sha256", digest: digestOf("bash"), bytes: 4 },
      kind: "payload",
      isIndex: false,
      ecosystem: ECOSYSTEM,
      realm: PUBLIC_REALM,
      base: A,
      path: "p/bash.rpm",
      name: "bash",
      version: "5.2-1",
      arch: "x86_64",
      declaredBy: digestOf(index),
      root: { uri: `${A}repodata/repomd.xml`, digest: digestOf("one"), seenMs: clock.nowMs },
      alternatives: [],
    });
    expect(declaring.find(`${A}repodata/${index}`)).toMatchObject({ kind: "member", isIndex: true });
  });

  test("says nothing about other paths, other bases and other realms", ({ declaring }) => {
    declaring.publish(A, "one", { "p/bash.rpm": "bash" });
    expect(declaring.find(`${A}p/other.rpm`)).toBeUndefined();
    expect(declaring.find(`${A}p/bash.rpm/`)).toBeUndefined();
    expect(declaring.find(A)).toBeUndefined();
    expect(declaring.find(`${B}p/bash.rpm`)).toBeUndefined();
    expect(declaring.find(`${A}p/bash.rpm`, { realm: "somebody" })).toBeUndefined();
  });

  test("is the innermost one where one lies within another", ({ declaring }) => {
    declaring.publish(A, "outer", { "updates/p/bash.rpm": "outer bash", "updates/p/only.rpm": "only" });
    declaring.publish(`${A}updates/`, "inner", { "p/bash.rpm": "inner bash" });
    expect(declaring.contentAt(`${A}updates/p/bash.rpm`)).toBe(digestOf("inner bash"));
    expect(declaring.contentAt(`${A}updates/p/only.rpm`)).toBe(digestOf("only"));
  });

  test("is read once for all mirrors that have the same root", ({ declaring }) => {
    declaring.publish(A, "one", { "p/bash.rpm": "bash" });
    const before = declaring.index.counts();
    expect(declaring.index.isKnown({ ecosystem: ECOSYSTEM, scope: "", digest: digestOf("one") })).toBe(true);
    expect(declaring.stand(B, "one")).toBe(true);
    expect(declaring.contentAt(`${B}p/bash.rpm`)).toBe(digestOf("bash"));
    expect(declaring.index.counts()).toEqual({ ...before, bases: 2 });
  });

  test("does not stand where a root was seen that nobody read", ({ declaring }) => {
    expect(declaring.index.isKnown({ ecosystem: ECOSYSTEM, scope: "", digest: digestOf("one") })).toBe(false);
    expect(declaring.stand(A, "one")).toBe(false);
    expect(declaring.index.counts()).toEqual({ bases: 0, generations: 0, documents: 0, declarations: 0 });
  });

  test("names the other names of a member, and none of a payload", ({ declaring }) => {
    const same = (path: string) => declares(path, "packages", { kind: "member", reading: "{}" });
    declaring.read("one", "root", [
      same("main/Packages"),
      same("main/by-hash/SHA256/x"),
      declares("p/packages", "packages"),
    ]);
    declaring.stand(A, "one");
    const namesOf = (path: string) => {
      const resource = declaring.find(A + path);
      return resource === undefined ? undefined : declaring.index.otherNames(resource);
    };
    expect(namesOf("main/Packages")).toEqual([`${A}main/by-hash/SHA256/x`, `${A}p/packages`]);
    expect(namesOf("p/packages")).toEqual([]);
  });
});

describe("generations", () => {
  test("are believed newest first, unless the client took another", ({ declaring, clock }) => {
    const old = declaring.publish(A, "old", { "p/bash.rpm": "old bash", "p/gone.rpm": "gone" });
    clock.advance(HOUR_MS);
    declaring.publish(A, "new", { "p/bash.rpm": "new bash" });
    const uri = `${A}p/bash.rpm`;
    expect(declaring.find(uri)).toMatchObject({
      declaration: { digest: digestOf("new bash") },
      alternatives: [{ declaration: { digest: digestOf("old bash") }, root: { digest: old } }],
    });
    expect(declaring.contentAt(uri, { prefers: (root) => root === old })).toBe(digestOf("old bash"));
    expect(declaring.contentAt(`${A}p/gone.rpm`)).toBe(digestOf("gone"));
  });

  test("are as old as the last time that their root was seen", ({ declaring, clock }) => {
    declaring.publish(A, "one", { "p/bash.rpm": "one bash" });
    clock.advance(HOUR_MS);
    declaring.publish(A, "two", { "p/bash.rpm": "two bash" });
    clock.advance(HOUR_MS);
    declaring.stand(A, "one");
    expect(declaring.contentAt(`${A}p/bash.rpm`)).toBe(digestOf("one bash"));
  });

  test("that are the newest of their root go before older ones of another that was seen since", ({
    declaring,
    clock,
  }) => {
    declaring.publish(A, "stable", { "p/bash.rpm": "stable bash" }, { rootUri: `${A}stable` });
    clock.advance(HOUR_MS);
    declaring.publish(A, "testing 1", { "p/bash.rpm": "testing bash" }, { rootUri: `${A}testing` });
    clock.advance(HOUR_MS);
    declaring.publish(A, "testing 2", {}, { rootUri: `${A}testing` });
    expect(declaring.contentAt(`${A}p/bash.rpm`)).toBe(digestOf("stable bash"));
  });

  test("join members that did not change without reading them", ({ declaring, clock }) => {
    const member = declares("repodata/primary.xml", "primary", { kind: "member", reading: "{}" });
    declaring.read("one", "root", [member]);
    declaring.stand(A, "one");
    const primary = declaring.read("primary", "member", [declares("p/bash.rpm", "bash")], "repodata/primary.xml");
    declaring.noteMember(primary, "repodata/primary.xml");
    clock.advance(HOUR_MS);
    const two = declaring.read("two", "root", [member, declares("repodata/other.xml", "other", { kind: "member" })]);
    declaring.stand(A, "two");
    expect(declaring.find(`${A}p/bash.rpm`)?.root.digest).toBe(two);
  });

  test("do not join a member by its digest alone: where it stands is part of what it says", ({ declaring }) => {
    const packages = (path: string) => declares(path, "packages", { kind: "member", reading: "{}" });
    declaring.read("one", "root", [packages("one/Packages")]);
    declaring.stand(A, "one");
    const digest = declaring.read("packages", "member", [declares("p/bash.rpm", "bash")], "one/Packages");
    declaring.noteMember(digest, "one/Packages");
    declaring.read("two", "root", [packages("two/Packages")]);
    declaring.stand(B, "two");
    expect(declaring.find(`${B}p/bash.rpm`)).toBeUndefined();
  });

  test("of a clock that was set back are not outlived by those of the future", ({ declaring, clock }) => {
    clock.advance(1000 * DAY_MS);
    declaring.publish(A, "future", { "p/bash.rpm": "future bash" });
    clock.advance(-1000 * DAY_MS);
    declaring.publish(A, "now", { "p/bash.rpm": "bash" });
    expect(declaring.contentAt(`${A}p/bash.rpm`)).toBe(digestOf("bash"));
  });

  test("whatever is published when: the newest is believed, the last three and those of a day stay", async ({
    declaring,
    clock,
  }) => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: DAY_MS })), {
      maxLength: 24,
    });
    let run = 0;
    await fc.assert(
      fc.property(steps, (published) => {
        const base = `https://h.example/${run++}/`;
        const seen = new Map<number, number>();
        for (const [root, pauseMs] of published) {
          clock.advance(pauseMs);
          declaring.publish(base, `${base}${root}`, { "p/bash.rpm": `${base}${root} bash` });
          seen.set(root, clock.nowMs);
          const ages = [...seen].sort(([, one], [, other]) => other - one);
          for (const [old, atMs] of ages.slice(3)) if (atMs < clock.nowMs - DAY_MS) seen.delete(old);
        }
        const ages = [...seen].sort(([, one], [, other]) => other - one);
        const found = declaring.find(`${base}p/bash.rpm`);
        const roots =
          found === undefined ? [] : [found.root.digest, ...found.alternatives.map(({ root }) => root.digest)];
        expect(roots).toEqual(ages.map(([root]) => digestOf(`${base}${root}`)));
      }),
      { numRuns: 30 },
    );
  });
});

describe("documents", () => {
  const document = {
    ecosystem: ECOSYSTEM,
    scope: "",
    digest: digestOf("one"),
    kind: "root",
    path: "repomd.xml",
  } as const;

  test("that were not read to their end leave nothing", ({ declaring, clock }) => {
    const writing = declaring.writer.begin(document, clock.nowMs);
    writing.add(declares("p/bash.rpm", "bash"));
    writing.rollback();
    expect(declaring.stand(A, "one")).toBe(false);
    expect(declaring.read("one", "root", [])).toBe(document.digest);
    declaring.stand(A, "one");
    expect(declaring.find(`${A}p/bash.rpm`)).toBeUndefined();
  });

  test("are not seen before they are complete", ({ declaring, clock }) => {
    const writing = declaring.writer.begin(document, clock.nowMs);
    for (let n = 0; n < 1000; n++) writing.add(declares(`p/${n}.rpm`, `${n}`));
    expect(declaring.index.isKnown(document)).toBe(false);
    expect(declaring.index.counts().declarations).toBe(0);
    expect(writing.commit()).toBe(1000);
    expect(declaring.index.counts().declarations).toBe(1000);
  });

  test("take back what they declare in two ways, wherever it lies", ({ declaring, clock }) => {
    const elsewhere = "https://files.example/";
    const writing = declaring.writer.begin(document, clock.nowMs);
    for (const base of [undefined, elsewhere])
      for (const path of ["p/one.rpm", "p/two.rpm"]) writing.add(declares(path, path, { base }));
    writing.retract("p/one.rpm");
    writing.retract(`${elsewhere}p/two.rpm`);
    expect(writing.commit()).toBe(2);
    declaring.stand(A, "one", { rootUri: `${DELEGATES}repomd.xml` });
    const isDeclared = (uri: string) => declaring.find(uri) !== undefined;
    expect([`${A}p/one.rpm`, `${A}p/two.rpm`].map(isDeclared)).toEqual([false, true]);
    expect([`${elsewhere}p/one.rpm`, `${elsewhere}p/two.rpm`].map(isDeclared)).toEqual([true, false]);
  });

  test("go when no base leads to them any more, with their members, and others stay", ({ declaring, clock }) => {
    for (const root of ["one", "two", "three", "four"]) {
      declaring.publish(A, root, { "p/bash.rpm": `${root} bash`, [`p/${root}.rpm`]: root });
      clock.advance(2 * DAY_MS);
    }
    expect(declaring.index.counts()).toMatchObject({ generations: 4, documents: 8, declarations: 12 });
    while (declaring.writer.collect(clock.nowMs));
    expect(declaring.index.counts()).toEqual({ bases: 1, generations: 3, documents: 6, declarations: 9 });
    expect(declaring.find(`${A}p/one.rpm`)).toBeUndefined();
    expect(declaring.contentAt(`${A}p/two.rpm`)).toBe(digestOf("two"));
  });

  test("that were collected are read again", ({ declaring, clock }) => {
    declaring.read("one", "root", [declares("p/bash.rpm", "bash")]);
    while (declaring.writer.collect(clock.nowMs));
    expect(declaring.stand(A, "one")).toBe(false);
    declaring.publish(A, "one", { "p/bash.rpm": "bash" });
    expect(declaring.contentAt(`${A}p/bash.rpm`)).toBe(digestOf("bash"));
  });
});

function noteMirrors(declaring: Declaring, list: Partial<MirrorList>): void {
  declaring.writer.noteMirrors({
    uri: `${DELEGATES}mirrorlist?repo=fedora`,
    realm: PUBLIC_REALM,
    ecosystem: ECOSYSTEM,
    via: "mirrorlist",
    bases: [A, B, C],
    roots: [],
    atMs: 0,
    expiresMs: undefined,
    ...list,
  });
  declaring.index.refresh();
}

describe("mirrors", () => {
  test("of one list share what was declared at any of them, their own first", ({ declaring, clock }) => {
    noteMirrors(declaring, {});
    declaring.publish(B, "lagging", { "p/bash.rpm": "old bash" });
    clock.advance(HOUR_MS);
    declaring.publish(A, "new", { "p/bash.rpm": "new bash", "p/new.rpm": "new" });
    expect(declaring.contentAt(`${B}p/bash.rpm`)).toBe(digestOf("old bash"));
    expect(declaring.contentAt(`${C}p/bash.rpm`)).toBe(digestOf("new bash"));
    expect(declaring.contentAt(`${B}p/new.rpm`)).toBe(digestOf("new"));
    const took = (root: Digest) => root === digestOf("new");
    expect(declaring.contentAt(`${B}p/bash.rpm`, { prefers: took })).toBe(digestOf("new bash"));
  });

  test("of a metalink share the roots that it declares, and no others", ({ declaring }) => {
    noteMirrors(declaring, { via: "metalink", roots: [digestOf("new"), digestOf("old")] });
    declaring.publish(A, "false", { "p/evil.rpm": "evil", "p/bash.rpm": "false bash" });
    declaring.publish(A, "old", { "p/bash.rpm": "old bash" });
    declaring.publish(A, "new", { "p/bash.rpm": "new bash" });
    expect(declaring.find(`${B}p/bash.rpm`)).toMatchObject({
      declaration: { digest: digestOf("new bash") },
      root: { uri: `${B}repodata/new`, digest: digestOf("new") },
      alternatives: [{ root: { digest: digestOf("old") } }],
    });
    expect(declaring.find(`${B}p/evil.rpm`)).toBeUndefined();
  });

  test("that a metalink names know its root wherever it was seen", ({ declaring }) => {
    declaring.publish("https://elsewhere.example/", "new", { "p/bash.rpm": "bash" });
    noteMirrors(declaring, { via: "metalink", roots: [digestOf("new")] });
    expect(declaring.contentAt(`${B}p/bash.rpm`)).toBe(digestOf("bash"));
  });

  test("are believed along a delegation only, or when configuration names them", ({ declaring }) => {
    declaring.publish(A, "one", { "p/bash.rpm": "bash" });
    const uri = "https://evil.example/mirrorlist";
    noteMirrors(declaring, { uri });
    noteMirrors(declaring, { uri: `${uri}/metalink`, via: "metalink", roots: [digestOf("one")] });
    expect(declaring.find(`${B}p/bash.rpm`)).toBeUndefined();
    noteMirrors(declaring, { uri: "fedora", via: "config" });
    expect(declaring.contentAt(`${B}p/bash.rpm`)).toBe(digestOf("bash"));
  });

  test("cease to be mirrors when their list expires or no longer names them", ({ declaring, clock }) => {
    declaring.publish(A, "one", { "p/bash.rpm": "bash" });
    noteMirrors(declaring, { expiresMs: clock.nowMs + HOUR_MS });
    expect(declaring.find(`${B}p/bash.rpm`)).toBeDefined();
    noteMirrors(declaring, { bases: [A, C], expiresMs: clock.nowMs + HOUR_MS });
    expect(declaring.find(`${B}p/bash.rpm`)).toBeUndefined();
    expect(declaring.find(`${C}p/bash.rpm`)).toBeDefined();
    clock.advance(HOUR_MS);
    expect(declaring.find(`${C}p/bash.rpm`)).toBeUndefined();
    declaring.writer.collect(clock.nowMs);
    declaring.index.refresh();
    expect(declaring.index.counts().bases).toBe(1);
  });

  test("are where a file can be had, too: as listed, then wherever the root stands, never by http for https", ({
    declaring,
  }) => {
    declaring.publish(A, "one", { "p/bash.rpm": "bash" });
    declaring.stand("https://twin.example/", "one");
    declaring.stand("https://private.example/", "one", { realm: "somebody" });
    noteMirrors(declaring, { bases: [B, C, A] });
    const urisFor = (uri: string) => {
      const resource = declaring.find(uri);
      return resource === undefined ? undefined : declaring.index.alternateUris(resource, 0);
    };
    expect(urisFor(`${A}p/bash.rpm`)).toEqual([`${B}p/bash.rpm`, "https://twin.example/p/bash.rpm"]);
    expect(urisFor(`${C}p/bash.rpm`)).toEqual([`${B}p/bash.rpm`, `${A}p/bash.rpm`]);
  });
});

describe("another base that a document names", () => {
  const elsewhere = "https://files.example/";
  const payload = declares("ab/bash.rpm", "bash", { base: elsewhere });

  test("is spoken about along a delegation only", ({ declaring }) => {
    declaring.read("one", "root", [payload]);
    declaring.stand(A, "one");
    expect(declaring.find(`${elsewhere}ab/bash.rpm`)).toBeUndefined();
    declaring.stand(DELEGATES, "one");
    expect(declaring.find(`${elsewhere}ab/bash.rpm`)).toMatchObject({
      base: elsewhere,
      root: { uri: `${DELEGATES}repodata/repomd.xml` },
    });
    expect(declaring.find(`${A}ab/bash.rpm`)).toBeUndefined();
  });

  test("is known as soon as the member that names it", ({ declaring }) => {
    declaring.read("one", "root", [declares("repodata/primary", "primary", { kind: "member", reading: "{}" })]);
    declaring.stand(DELEGATES, "one");
    declaring.noteMember(declaring.read("primary", "member", [payload]), "repodata/primary");
    expect(declaring.contentAt(`${elsewhere}ab/bash.rpm`)).toBe(digestOf("bash"));
  });

  test("is one of a few: a document that names many is not believed about the rest", ({ declaring }) => {
    const bases = Array.from({ length: 40 }, (_, n) => `https://${n}.example/`);
    declaring.read(
      "one",
      "root",
      bases.map((base) => declares("bash.rpm", base, { base })),
    );
    declaring.stand(DELEGATES, "one");
    expect(bases.filter((base) => declaring.find(`${base}bash.rpm`) !== undefined)).toEqual(bases.slice(0, 32));
  });

  test("may be the repository itself", ({ declaring }) => {
    declaring.read("one", "root", [declares("ab/bash.rpm", "bash", { base: A })]);
    declaring.stand(A, "one");
    expect(declaring.contentAt(`${A}ab/bash.rpm`)).toBe(digestOf("bash"));
  });
});

test("a damaged database declares nothing, and that is logged once", ({ declaring, log }) => {
  declaring.publish(A, "one", { "p/bash.rpm": "bash" });
  declaring.index.close();
  for (let n = 0; n < 3; n++) expect(declaring.find(`${A}p/bash.rpm`)).toBeUndefined();
  expect(log.lines.map(({ facts }) => facts["fault"])).toEqual(["declarations"]);
});

test("damaged declarations are set aside and said, and new ones are learnt", async ({
  rootDir,
  store: _,
  clock,
  log,
}) => {
  const { declarationsFile } = layoutOf(rootDir);
  await writeFile(declarationsFile, "these were declarations once ".repeat(500));
  const index = openDeclarations({ rootDir, mayDelegate: () => false, clock: clock.read, log });
  expect(index.counts()).toMatchObject({ declarations: 0 });
  index.close();
  expect(log.lines).toMatchObject([
    { level: "warn", message: expect.stringMatching(/damaged: the declarations of the store/) },
  ]);
  const aside = join(rootDir, `declarations.damaged-${clock.nowMs}.sqlite`);
  expect(await readFile(aside, "utf8")).toMatch(/^these were declarations/);
});
