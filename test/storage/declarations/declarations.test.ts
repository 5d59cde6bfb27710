import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { PUBLIC_REALM } from "../../../core/entry.ts";
import { openDeclarations } from "../../../storage/declarations/open-declarations.ts";
import { layoutOf } from "../../../storage/layout.ts";
import { DELEGATES, declares, ECOSYSTEM, test } from "./declaring.ts";

const A = "https://a.example/fedora/";
const B = "https://b.example/pub/fedora/";
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
