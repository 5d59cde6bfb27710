import { createHash } from "node:crypto";
import { describe, expect } from "vitest";
import { type Digest, digestOf } from "../../../core/digest.ts";
import { PUBLIC_REALM } from "../../../core/entry.ts";
import type { MirrorList } from "../../../storage/declarations/standings.ts";
import { DELEGATES, type Declaring, declares, ECOSYSTEM, test } from "./declaring.ts";

const A = "https://a.example/fedora/";
const B = "https://b.example/pub/fedora/";
const C = "http://c.example/";
const HOUR_MS = 3_600_000;

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

  test.for([
    ["sha512", ["https://twin.example/p/bash.rpm"]],
    ["sha1", []],
  ] as const)(
    "strangers where the same root stands are asked for what has a %s only if that is strong",
    ([algorithm, uris], { declaring }) => {
      const digest = createHash(algorithm).update("bash").digest("hex");
      declaring.read("one", "root", [declares("p/bash.rpm", "bash", { algorithm, digest })]);
      for (const base of [A, "https://twin.example/"]) declaring.stand(base, "one");
      const resource = declaring.find(`${A}p/bash.rpm`);
      expect(resource?.declaration.algorithm).toBe(algorithm);
      expect(resource === undefined ? undefined : declaring.index.alternateUris(resource, 0)).toEqual(uris);
    },
  );
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
