import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Digest } from "../../../core/digest.ts";
import { digestOf } from "../../../core/digest.ts";
import type { ResourceClass } from "../../../core/entry.ts";
import type { LocalStore } from "../../../storage/local-store.ts";
import { noise } from "../../support/noise.ts";
import { draftFor, keyOf, readBlob, stageBody, storeBody } from "../bodies.ts";
import { setUpWorkbench, type Workbench } from "../workbench.ts";

type Action =
  | { readonly do: "commit" | "abort"; readonly uri: string; readonly body: number; readonly class: ResourceClass }
  | { readonly do: "remove" | "invalidate" | "freshen"; readonly uri: string }
  | { readonly do: "read"; readonly uri: string; readonly body: number };

/** What is done at the same moment, each to another URI; several may be about one body. */
type Step = readonly Action[] | "settle" | "reopen";

const BODIES = [0, 1, 900, 70_000, 1_500_000].map((bytes, n) => noise(`body ${n}`, bytes));
const DIGESTS = BODIES.map((body) => digestOf(body));

const uri = fc.nat(5).map((n) => `http://o/${n}`);
const body = fc.nat(BODIES.length - 1);
const kind = fc.constantFrom<ResourceClass[]>("payload", "root", "member", "other");
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("commit" as const), uri, body, class: kind }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("abort" as const), uri, body, class: kind }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("remove" as const, "invalidate", "freshen"), uri }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("read" as const), uri, body }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.uniqueArray(action, { selector: (each) => each.uri, minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constant("settle" as const) },
  { weight: 1, arbitrary: fc.constant("reopen" as const) },
);

/** What each URI must hold, and carries the actions out. */
class Model {
  readonly #workbench: Workbench;
  readonly #maxBytes: number;
  readonly expected = new Map<string, Digest>();
  #store: LocalStore;

  constructor(workbench: Workbench, maxBytes: number, store: LocalStore) {
    this.#workbench = workbench;
    this.#maxBytes = maxBytes;
    this.#store = store;
  }

  async run(each: Step): Promise<void> {
    this.#workbench.clock.advance(1_000);
    if (each === "settle") await this.#store.settled();
    else if (each === "reopen") {
      await this.#store.close();
      this.#store = await this.#workbench.open({ maxBytes: this.#maxBytes });
    } else await Promise.all(each.map((one) => this.#act(one)));
  }

  async #act(one: Action): Promise<void> {
    const store = this.#store;
    switch (one.do) {
      case "commit":
        return this.#commit(one.uri, one.body, one.class);
      case "abort":
        return (await stageBody(store, BODIES[one.body] as Buffer)).close();
      case "freshen":
        for (const entry of store.find(draftFor(one.uri).key)) store.freshen(entry, { ...entry, requestMs: 9 });
        return;
      case "read":
        return this.#read(DIGESTS[one.body] as Digest);
      default:
        if (one.do === "remove") store.remove(keyOf(one.uri));
        else store.invalidate(keyOf(one.uri).key);
        this.expected.delete(one.uri);
    }
  }

  /** Refused, at most, where bodies under way could not all fit at once; the entry before it stays then. */
  async #commit(uri: string, body: number, kind: ResourceClass): Promise<void> {
    try {
      await storeBody(this.#store, uri, BODIES[body] as Buffer, { class: kind });
      this.expected.set(uri, DIGESTS[body] as Digest);
    } catch (error) {
      expect(error).toMatchObject({ code: "STORE_UNWRITABLE", details: { reason: "limit" } });
    }
  }

  async #read(digest: Digest): Promise<void> {
    const read = await readBlob(this.#store, digest).catch((error: unknown) => error);
    if (Buffer.isBuffer(read)) expect(digestOf(read)).toBe(digest);
    else expect(read).toMatchObject({ code: "BLOB_MISSING" });
  }

  /** Entries name readable blobs and the bodies that were last stored; every account agrees with rows and files. */
  async check(mayHaveEvicted: boolean): Promise<void> {
    await this.#store.settled();
    const found = new Map<string, Digest>();
    for (const { uri, digest } of this.#store.list({ limit: 100 })) {
      expect(digestOf(await readBlob(this.#store, digest))).toBe(digest);
      expect(this.#store.find(keyOf(uri).key).map((entry) => entry.digest)).toEqual([digest]);
      expect(this.expected.get(uri)).toBe(digest);
      found.set(uri, digest);
    }
    if (!mayHaveEvicted) expect(found).toEqual(this.expected);
    const { blobs, entries, blobBytes, stagingBytes, maxBytes } = this.#store.usage();
    expect({ entries, stagingBytes }).toEqual({ entries: found.size, stagingBytes: 0 });
    expect(blobBytes).toBeLessThanOrEqual(maxBytes);
    const files = await filesBelow(this.#workbench.rootDir);
    expect(new Set(files.map(({ name }) => name))).toEqual(new Set(found.values()));
    expect({ blobs, blobBytes }).toEqual({
      blobs: files.length,
      blobBytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    });
  }
}

async function filesBelow(rootDir: string): Promise<{ name: string; bytes: number }[]> {
  const found = await readdir(join(rootDir, "blobs"), { recursive: true, withFileTypes: true });
  const files = found.filter((each) => each.isFile());
  return Promise.all(
    files.map(async ({ parentPath, name }) => ({ name, bytes: (await stat(join(parentPath, name))).size })),
  );
}

test.each([
  { maxBytes: 1024 ** 3, mayHaveEvicted: false },
  { maxBytes: 1_550_000, mayHaveEvicted: true },
])(
  "whatever is stored, removed, read and evicted at once, every account is exact: limit $maxBytes",
  async ({ maxBytes, mayHaveEvicted }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const workbench = await setUpWorkbench();
        try {
          const model = new Model(workbench, maxBytes, await workbench.open({ maxBytes }));
          for (const each of steps) await model.run(each);
          await model.check(mayHaveEvicted);
          expect(workbench.log.lines).toEqual([]);
        } finally {
          await workbench.dispose();
        }
      }),
      { numRuns: process.env["LARDER_TEST_LONG"] === undefined ? 25 : 500 },
    );
  },
  600_000,
);
