import fc from "fast-check";
import { describe, expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { declares, test } from "./declaring.ts";

const A = "https://a.example/fedora/";
const B = "https://b.example/pub/fedora/";
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

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
