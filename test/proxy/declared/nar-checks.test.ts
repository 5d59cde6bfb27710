import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { toNixBase32 } from "../../../ecosystems/nix/hash.ts";
import { createNarChecker, type NarChecker } from "../../../learn/nar/checker.ts";
import type { NarVerdict } from "../../../learn/nar/nar.ts";
import { get } from "../../support/client.ts";
import { bytesHandler, folderHandler } from "../../support/files.ts";
import { NixStore } from "../../support/repositories/nix-cache.ts";
import { type Bench, test as base } from "../workbench.ts";

const hashOf = (path: string): string => path.slice("/nix/store/".length, "/nix/store/".length + 32);

/** Lets the real checker work when it is told, and remembers what it found. */
class SlowChecker implements NarChecker {
  /** What was found about the first nar. */
  readonly verdict: Promise<NarVerdict>;
  readonly #checker: NarChecker;
  readonly #mayBegin: Promise<void>;
  begin: () => void = () => undefined;
  #tell: (verdict: NarVerdict) => void = () => undefined;

  constructor(rootDir: string) {
    this.#checker = createNarChecker(rootDir);
    this.verdict = new Promise((resolve) => {
      this.#tell = resolve;
    });
    this.#mayBegin = new Promise((resolve) => {
      this.begin = resolve;
    });
  }

  async check(...blobs: Parameters<NarChecker["check"]>): Promise<NarVerdict> {
    await this.#mayBegin;
    const verdict = await this.#checker.check(...blobs);
    this.#tell(verdict);
    return verdict;
  }

  close(): Promise<void> {
    return this.#checker.close();
  }
}

const test = base
  .extend("nix", ({ folder }) => NixStore.create(folder))
  .extend("cache", async ({ nix, origin }) => {
    const folder = await nix.publish("cache", "xz");
    origin.serve("/", folderHandler("/", folder));
    const narinfo = async (path: string): Promise<string> => readFile(join(folder, `${hashOf(path)}.narinfo`), "utf8");
    return { folder, narinfo, narinfoUrl: `${origin.url}/${hashOf(nix.path)}.narinfo` };
  })
  .extend("rootDir", ({ folder }) => join(folder, "root"))
  .extend("checker", async ({ rootDir }, { onCleanup }) => {
    const checker = new SlowChecker(rootDir);
    onCleanup(() => checker.close());
    return checker;
  })
  .extend("larder", ({ startLarder, rootDir, checker }) => startLarder({ rootDir, narChecker: checker }));

const urisIn = ({ store }: Bench): readonly string[] => store.list({ limit: 9 }).map(({ uri }) => uri);
const urlIn = (narinfo: string): string => /^URL: (.*)$/m.exec(narinfo)?.[1] ?? "";

describe("with --verify-nars", () => {
  test("a nar that unpacks to what its narinfo says stays", async ({ larder, origin, cache, checker, nix }) => {
    checker.begin();
    await get(larder, cache.narinfoUrl);
    const nar = `${origin.url}/${urlIn(await cache.narinfo(nix.path))}`;
    expect(await get(larder, nar)).toMatchObject({ status: 200 });
    expect(await checker.verdict).toEqual({ kind: "right" });
    expect(urisIn(larder)).toHaveLength(2);
    expect(larder.proxy.counters()).toMatchObject({ mismatches: 0 });
  });

  test("another, whatever its FileHash, has gone out by then, but leaves the store with its narinfo and is not fetched again", async ({
    larder,
    origin,
    cache,
    checker,
    nix,
  }) => {
    // The FileHash is right, and no signature covers it: the nar is another path's.
    const other = await cache.narinfo(nix.referring);
    const file = await readFile(join(cache.folder, urlIn(other)));
    const lie = (await cache.narinfo(nix.path))
      .replace(/^URL: .*$/m, `URL: ${urlIn(other)}`)
      .replace(/^FileHash: .*$/m, `FileHash: sha256:${toNixBase32(digestOf(file))}`)
      .replace(/^FileSize: .*$/m, `FileSize: ${file.length}`);
    origin.serve(`/${hashOf(nix.path)}.narinfo`, bytesHandler(Buffer.from(lie)));
    await get(larder, cache.narinfoUrl);
    const nar = `${origin.url}/${urlIn(other)}`;
    expect((await get(larder, nar)).body).toEqual(file);
    checker.begin();
    const { facts } = await larder.logged("mismatch");
    expect(facts).toMatchObject({ code: "DIGEST_MISMATCH", of: "NarHash", target: nar, root: cache.narinfoUrl });
    await larder.store.settled();
    expect(urisIn(larder)).toEqual([]);
    expect(larder.proxy.counters()).toMatchObject({ mismatches: 1 });
    expect(await get(larder, nar)).toMatchObject({ status: 502 });
  });
});
