import { test as base, describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import type { Store } from "../../storage/store.ts";
import { noise } from "../support/noise.ts";
import { draftFor, keyOf, readBlob, readStaged, stageBody, storeBody } from "./bodies.ts";

/** What an implementation hands to the suite: an empty store that can be opened, closed and opened again. */
export interface StoreBench {
  /** Opens the store; after `close`, again with all that it kept. */
  open(options?: { readonly maxBytes: number }): Promise<Store>;
  readonly clock: { readonly nowMs: number; advance(ms: number): void };
  dispose(): Promise<void>;
}

const MIB = 1024 * 1024;

/** What every Store promises, whatever it is made of. */
export function describeStore(name: string, setUp: () => Promise<StoreBench>): void {
  const test = base
    .extend("bench", async ({ task: _ }, { onCleanup }) => {
      const bench = await setUp();
      onCleanup(() => bench.dispose());
      return bench;
    })
    .extend("open", ({ bench }) => bench.open)
    .extend("clock", ({ bench }) => bench.clock);

  describe(`${name}: entries`, () => {
    test("a committed entry is found with everything it was given", async ({ open, clock }) => {
      const store = await open();
      const draft = draftFor("http://o/a.rpm", {
        status: 203,
        fields: ["Content-Type", "application/x-rpm", "X-Odd", "caf\u00e9", "x-odd", "twice"],
        selecting: ["Accept", "*/*"],
        variant: "accept=*/*",
        realm: "f00d",
        class: "payload",
      });
      const staging = await stageBody(store, Buffer.from("rpm"));
      const entry = await staging.commit(draft);
      await staging.close();
      expect(entry).toEqual({ ...draft, digest: digestOf("rpm"), bytes: 3, storedMs: clock.nowMs });
      expect(store.find(draft.key)).toEqual([entry]);
    });

    test("a key is found byte for byte, and nothing else is", async ({ open }) => {
      const store = await open();
      await storeBody(store, "http://o/a?x=1", Buffer.from("a"));
      expect(store.find("GET http://o/a?x=1")).toHaveLength(1);
      expect(store.find("GET http://o/a?X=1")).toEqual([]);
      expect(store.find("HEAD http://o/a?x=1")).toEqual([]);
    });

    test("an entry that was looked for in vain is found once it is there", async ({ open }) => {
      const store = await open();
      expect(store.find("GET http://o/a")).toEqual([]);
      await storeBody(store, "http://o/a", Buffer.from("a"));
      expect(store.find("GET http://o/a")).toHaveLength(1);
    });

    test("what is found cannot be changed", async ({ open }) => {
      const store = await open();
      await storeBody(store, "http://o/a", Buffer.from("a"));
      const found = store.find("GET http://o/a");
      expect([found, found[0], found[0]?.fields, found[0]?.selecting].map(Object.isFrozen)).toEqual(
        Array(4).fill(true),
      );
    });

    test("variants and realms of a key stand side by side, the newest response first", async ({ open }) => {
      const store = await open();
      await storeBody(store, "http://o/a", Buffer.from("old"), { variant: "v1", responseMs: 10 });
      await storeBody(store, "http://o/a", Buffer.from("new"), { variant: "v2", responseMs: 30 });
      await storeBody(store, "http://o/a", Buffer.from("mine"), { variant: "v1", realm: "f00d", responseMs: 20 });
      expect(store.find("GET http://o/a").map((entry) => entry.responseMs)).toEqual([30, 20, 10]);
    });

    test("a commit replaces the entry of its key, variant and realm", async ({ open }) => {
      const store = await open();
      await storeBody(store, "http://o/a", Buffer.from("old"));
      const entry = await storeBody(store, "http://o/a", Buffer.from("new"));
      expect(store.find("GET http://o/a")).toEqual([entry]);
    });

    test("entries and blobs are there after reopening", async ({ open }) => {
      const store = await open();
      const body = noise("reopened", 3 * MIB);
      const entry = await storeBody(store, "http://o/a", body, { class: "root" });
      await store.close();
      const again = await open();
      expect(again.find("GET http://o/a")).toEqual([entry]);
      expect((await readBlob(again, entry.digest)).equals(body)).toBe(true);
    });

    test("freshening changes fields and times and leaves the body (RFC 9111 §4.3.4)", async ({ open, clock }) => {
      const store = await open();
      const entry = await storeBody(store, "http://o/a", Buffer.from("a"), { class: "root" });
      clock.advance(5_000);
      const freshening = { fields: ["ETag", '"2"'], requestMs: 7_000, responseMs: 8_000 };
      const fresh = store.freshen(entry, freshening);
      expect(fresh).toEqual({ ...entry, ...freshening });
      expect(store.find(entry.key)).toEqual([fresh]);
      await store.close();
      expect((await open()).find(entry.key)).toEqual([fresh]);
    });

    test("freshening an entry that was replaced meanwhile leaves the one that replaced it", async ({ open }) => {
      const store = await open();
      const before = await storeBody(store, "http://o/a", Buffer.from("before"));
      const after = await storeBody(store, "http://o/a", Buffer.from("after"));
      store.freshen(before, { fields: ["ETag", '"1"'], requestMs: 7_000, responseMs: 8_000 });
      expect(store.find("GET http://o/a")).toEqual([after]);
    });

    test("remove forgets one entry, invalidate all of a key, neither another key's (RFC 9111 §4.4)", async ({
      open,
    }) => {
      const store = await open();
      for (const variant of ["v1", "v2", "v3"]) await storeBody(store, "http://o/a", Buffer.from(variant), { variant });
      await storeBody(store, "http://o/b", Buffer.from("b"));
      store.remove({ ...keyOf("http://o/a"), variant: "v2" });
      expect(store.find("GET http://o/a").map((entry) => entry.variant)).toEqual(["v1", "v3"]);
      store.invalidate("GET http://o/a");
      expect(store.find("GET http://o/a")).toEqual([]);
      expect(store.find("GET http://o/b")).toHaveLength(1);
    });
  });

  describe(`${name}: blobs`, () => {
    test("a blob lives as long as an entry names it", async ({ open }) => {
      const store = await open();
      const shared = await storeBody(store, "http://mirror-a/x", Buffer.from("shared"));
      await storeBody(store, "http://mirror-b/x", Buffer.from("shared"));
      await storeBody(store, "http://mirror-a/x", Buffer.from("another"));
      await store.close();
      const again = await open();
      expect(await again.readWhole(shared.digest)).toEqual(Buffer.from("shared"));
      again.remove(keyOf("http://mirror-b/x"));
      await again.close();
      const last = await open();
      await expect(last.openBlob(shared.digest)).rejects.toMatchObject({ code: "BLOB_MISSING" });
      expect(last.usage()).toMatchObject({ blobs: 1, entries: 1, blobBytes: 7 });
    });

    test("the same bytes from two places take room once", async ({ open }) => {
      const store = await open();
      await storeBody(store, "http://mirror-a/x", noise("once", 1000));
      await storeBody(store, "http://mirror-b/x", noise("once", 1000));
      expect(store.usage()).toMatchObject({ blobs: 1, entries: 2, blobBytes: 1000 });
    });

    test.for([0, 1, 65_536, 65_537, 3 * MIB + 1])(
      "a body of %i bytes is read back as it was",
      async (bytes, { open }) => {
        const store = await open();
        const body = noise("read back", bytes);
        const { digest } = await storeBody(store, "http://o/a", body);
        expect((await store.readWhole(digest)).equals(body)).toBe(true);
        expect((await readBlob(store, digest)).equals(body)).toBe(true);
        await store.close();
        const again = await open();
        expect((await again.readWhole(digest)).equals(body)).toBe(true);
      },
    );

    test.for([
      [0, 0],
      [0, 999_999],
      [999_999, 999_999],
      [65_535, 65_536],
      [123_456, 654_321],
    ] as const)("the range %i-%i gives exactly those bytes (RFC 9110 §14.1.2)", async ([first, last], { open }) => {
      const store = await open();
      const body = noise("range", 1_000_000);
      const { digest } = await storeBody(store, "http://o/a", body);
      const chunks: Buffer[] = [];
      for await (const chunk of await store.openBlob(digest, { first, last })) chunks.push(chunk);
      expect(Buffer.concat(chunks).equals(body.subarray(first, last + 1))).toBe(true);
    });

    test("a small body that was read once is there without waiting", async ({ open }) => {
      const store = await open();
      const { digest } = await storeBody(store, "http://o/a", Buffer.from("popular"));
      await store.close();
      const again = await open();
      await Promise.all([again.readWhole(digest), again.readWhole(digest)]);
      expect(again.readWhole(digest)).toEqual(Buffer.from("popular"));
    });

    test("a blob that nobody stored is missing", async ({ open }) => {
      const store = await open();
      const digest = digestOf("never seen");
      await expect(store.openBlob(digest)).rejects.toMatchObject({ code: "BLOB_MISSING" });
      await expect(Promise.resolve(store.readWhole(digest))).rejects.toMatchObject({ code: "BLOB_MISSING" });
    });
  });

  describe(`${name}: bodies under way`, () => {
    test("are sealed with their digest and length", async ({ open }) => {
      const store = await open();
      const body = noise("sealed", 2 * MIB + 7);
      const staging = await store.stage({});
      await staging.append(body.subarray(0, 1));
      await staging.append(Buffer.alloc(0));
      await staging.append(body.subarray(1));
      expect(await staging.seal()).toEqual({ digest: digestOf(body), bytes: body.length });
      await staging.close();
    });

    test("can be read from any position while they grow, sealed, committed, until they are closed", async ({
      open,
    }) => {
      const store = await open();
      const body = noise("growing", 5 * MIB);
      const staging = await store.stage({});
      for (let at = 0; at < body.length; at += 100_000) {
        await staging.append(body.subarray(at, at + 100_000));
        const behind = Math.floor(at / 3);
        expect((await staging.read(behind, 1_000)).equals(body.subarray(behind, behind + 1_000))).toBe(true);
        expect((await staging.read(at, 10)).equals(body.subarray(at, at + 10))).toBe(true);
      }
      expect((await readStaged(staging)).equals(body)).toBe(true);
      await staging.seal();
      expect((await readStaged(staging, 4_999)).equals(body.subarray(4_999))).toBe(true);
      await staging.commit(draftFor("http://o/a"));
      expect((await readStaged(staging, 1)).equals(body.subarray(1))).toBe(true);
      await staging.close();
    });

    test("that are aborted leave nothing, and can be read until they are closed", async ({ open }) => {
      const store = await open();
      const body = noise("aborted", 3 * MIB);
      const staging = await store.stage({ expectedBytes: 4 * MIB });
      for (let at = 0; at < body.length; at += 65_536) await staging.append(body.subarray(at, at + 65_536));
      expect(store.usage()).toMatchObject({ stagingBytes: 3 * MIB });
      await staging.abort();
      await staging.abort();
      expect((await readStaged(staging)).equals(body)).toBe(true);
      await staging.close();
      await staging.close();
      expect(store.usage()).toMatchObject({ blobs: 0, entries: 0, blobBytes: 0, stagingBytes: 0 });
    });

    test("that are closed without a commit are gone", async ({ open }) => {
      const store = await open();
      const staging = await stageBody(store, noise("closed", 100_000));
      await staging.close();
      await expect(staging.commit(draftFor("http://o/a"))).rejects.toMatchObject({ code: "INTERNAL" });
      expect(store.usage()).toMatchObject({ blobs: 0, entries: 0, stagingBytes: 0 });
    });

    test("cannot be committed before they are sealed, nor twice", async ({ open }) => {
      const store = await open();
      const staging = await store.stage({});
      await staging.append(Buffer.from("a"));
      await expect(staging.commit(draftFor("http://o/a"))).rejects.toMatchObject({ code: "INTERNAL" });
      await staging.seal();
      await staging.commit(draftFor("http://o/a"));
      await expect(staging.commit(draftFor("http://o/b"))).rejects.toMatchObject({ code: "INTERNAL" });
      await staging.close();
      expect(store.usage()).toMatchObject({ entries: 1 });
    });

    test("of one digest, committed at the same moment, become one blob", async ({ open }) => {
      const store = await open();
      const body = noise("at once", 300_000);
      const entries = await Promise.all([0, 1, 2, 3].map((n) => storeBody(store, `http://o/${n}`, body)));
      expect(store.usage()).toMatchObject({ blobs: 1, entries: 4, blobBytes: body.length });
      for (const { digest } of entries) expect((await readBlob(store, digest)).equals(body)).toBe(true);
    });

    test("that can never fit are refused, and reach their readers all the same", async ({ open }) => {
      const store = await open({ maxBytes: MIB });
      const kept = await storeBody(store, "http://o/kept", noise("kept", 1000));
      const announced = await store.stage({ expectedBytes: 2 * MIB });
      expect(announced.fault).toMatchObject({ code: "STORE_UNWRITABLE" });
      expect(store.find(kept.key)).toEqual([kept]);
      const body = noise("too large", 3 * MIB);
      for (const staging of [announced, await store.stage({})]) {
        for (let at = 0; at < body.length; at += 65_536) {
          await staging.append(body.subarray(at, at + 65_536));
          expect((await staging.read(at, 65_536)).equals(body.subarray(at, at + 65_536))).toBe(true);
          staging.forget(at);
        }
        expect(await staging.seal()).toEqual({ digest: digestOf(body), bytes: body.length });
        await expect(staging.commit(draftFor("http://o/a"))).rejects.toMatchObject({ code: "STORE_UNWRITABLE" });
        await staging.close();
      }
    });
  });

  describe(`${name}: what it holds`, () => {
    test("is listed by part of the URI, most recently used first", async ({ open, clock }) => {
      const store = await open();
      for (const uri of ["http://o/a.rpm", "http://o/b.rpm", "http://p/c.deb"]) {
        clock.advance(1_000);
        await storeBody(store, uri, Buffer.from(uri));
      }
      clock.advance(1_000);
      await store.readWhole(digestOf("http://o/a.rpm"));
      expect(store.list({ limit: 10 }).map(({ uri }) => uri)).toEqual([
        "http://o/a.rpm",
        "http://p/c.deb",
        "http://o/b.rpm",
      ]);
      expect(store.list({ containing: ".rpm", limit: 1 })).toEqual([
        {
          uri: "http://o/a.rpm",
          realm: "public",
          status: 200,
          digest: digestOf("http://o/a.rpm"),
          bytes: 14,
          storedMs: clock.nowMs - 3_000,
          lastUsedMs: clock.nowMs,
        },
      ]);
      expect(store.list({ containing: "%", limit: 10 })).toEqual([]);
    });

    test("stays under the limit: least recently used payloads go first, roots and members last", async ({
      open,
      clock,
    }) => {
      const store = await open({ maxBytes: 100_000 });
      const stored = async (uri: string, kind: "root" | "member" | "payload" | "other") => {
        clock.advance(1_000);
        return storeBody(store, uri, noise(uri, 10_000), { class: kind });
      };
      await stored("http://o/repomd.xml", "root");
      await stored("http://o/primary.xml", "member");
      const used = await stored("http://o/0.rpm", "payload");
      for (const n of [1, 2, 3, 4, 5, 6]) await stored(`http://o/${n}.rpm`, n % 2 === 0 ? "payload" : "other");
      clock.advance(1_000);
      await store.readWhole(used.digest);
      await stored("http://o/7.rpm", "payload");
      await stored("http://o/8.rpm", "payload");
      await store.close();
      const left = (await open()).list({ limit: 20 }).map(({ uri }) => uri);
      expect(left.sort()).toEqual([
        "http://o/0.rpm",
        "http://o/3.rpm",
        "http://o/4.rpm",
        "http://o/5.rpm",
        "http://o/6.rpm",
        "http://o/7.rpm",
        "http://o/8.rpm",
        "http://o/primary.xml",
        "http://o/repomd.xml",
      ]);
    });

    test("is still read to its end by who opened it before it was evicted", async ({ open }) => {
      const store = await open({ maxBytes: 3 * MIB });
      const body = noise("evicted", 2 * MIB);
      const { digest } = await storeBody(store, "http://o/a", body);
      const stream = await store.openBlob(digest);
      await storeBody(store, "http://o/b", noise("evicting", 2 * MIB));
      await store.close();
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      expect(Buffer.concat(chunks).equals(body)).toBe(true);
      expect((await open()).find("GET http://o/a")).toEqual([]);
    });
  });
}
