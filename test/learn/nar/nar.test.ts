import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../../core/digest.ts";
import { toNixBase32 } from "../../../ecosystems/nix/hash.ts";
import { checkNar } from "../../../learn/nar/nar.ts";
import { test as base } from "../../support/fixtures.ts";
import { mustRun } from "../../support/programs.ts";
import { NAR_COMPRESSIONS, type NarCompression, NixStore } from "../../support/repositories/nix-cache.ts";

const test = base
  .extend("nix", { scope: "file" }, ({ sharedFolder }) => NixStore.create(sharedFolder))
  /** The narinfo and the nar of the larger path, as the real Nix packs it. */
  .extend("pack", ({ nix, folder }) => async (compression: NarCompression, name: string = compression) => {
    const cache = await nix.publish(name, compression);
    const narinfo = (await readdir(cache)).find((file) => file.startsWith(nix.path.slice("/nix/store/".length, 43)));
    const narinfoFile = join(cache, narinfo ?? "");
    const text = await readFile(narinfoFile, "utf8");
    const rewrite = async (from: RegExp, to: string): Promise<string> => {
      const file = join(folder, "rewritten.narinfo");
      await writeFile(file, text.replace(from, to));
      return file;
    };
    return { narinfoFile, narFile: join(cache, /^URL: (.*)$/m.exec(text)?.[1] ?? ""), rewrite };
  });

describe("a nar", () => {
  test.for(NAR_COMPRESSIONS)(
    "in %s is right when it unpacks to what its narinfo says, and wrong else",
    async (compression, { pack }) => {
      const { narinfoFile, narFile, rewrite } = await pack(compression);
      expect(await checkNar({ narinfoFile, narFile })).toEqual({ kind: "right" });
      const other = `NarHash: sha256:${toNixBase32(digestOf("another nar"))}`;
      expect(await checkNar({ narinfoFile: await rewrite(/^NarHash: .*$/m, other), narFile })).toMatchObject({
        kind: "wrong",
        declared: digestOf("another nar"),
      });
      expect(await checkNar({ narinfoFile: await rewrite(/^NarSize: .*$/m, "NarSize: 1000"), narFile })).toMatchObject({
        kind: "wrong",
        received: "more than 1000 bytes",
      });
      const packed = await readFile(narFile);
      await writeFile(narFile, packed.subarray(0, packed.length / 2));
      expect(await checkNar({ narinfoFile, narFile })).toMatchObject({ kind: "wrong" });
    },
  );

  test("that larder cannot unpack, or that is gone, is not judged", async ({ pack, folder }) => {
    const { narinfoFile, narFile, rewrite } = await pack("none", "odd");
    const lzipped = await rewrite(/^Compression: .*$/m, "Compression: lzip");
    expect(await checkNar({ narinfoFile: lzipped, narFile })).toEqual({
      kind: "unchecked",
      reason: "it is packed with lzip",
    });
    const odd = join(folder, "odd.xz");
    await writeFile(odd, await mustRun("xz", ["--check=sha256", "--stdout", narFile], { cwd: folder }));
    const asXz = await rewrite(/^Compression: .*$/m, "Compression: xz");
    expect(await checkNar({ narinfoFile: asXz, narFile: odd })).toMatchObject({
      kind: "unchecked",
      reason: expect.stringContaining("--check=sha256"),
    });
    for (const gone of [
      { narinfoFile, narFile: `${narFile}-gone` },
      { narinfoFile: `${narinfoFile}-gone`, narFile },
    ])
      expect(await checkNar(gone)).toMatchObject({ kind: "unchecked", reason: expect.stringContaining("ENOENT") });
  });
});
