import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { get } from "../support/client.ts";
import { NixBuilder } from "../support/clients/nix-builder.ts";
import { folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";

const test = base
  .extend("builder", ({ larder, caFile, folder }) =>
    NixBuilder.create(folder, { https_proxy: larder.url, NIX_SSL_CERT_FILE: caFile }),
  )
  .extend("published", async ({ builder }) => {
    const published = await builder.publish();
    await builder.forget();
    return published;
  })
  .extend("cache", ({ secureOrigin, published }) => {
    secureOrigin.serve("/", folderHandler("/", published.cache));
    return secureOrigin;
  });

describe("through larder, by a binary cache that says all it can", () => {
  test("nix-build takes by its realisation what was built elsewhere, and its log: cold, warm, and with no cache there", async ({
    builder,
    published: { derivation },
    cache,
  }) => {
    for (const state of ["cold", "warm", "alone"]) {
      if (state === "alone") await cache.stop();
      expect(await builder.realise(cache.url), state).toEqual({ content: "content\n", isBuiltHere: false });
      expect(await builder.log(cache.url, derivation), state).toBe("built by hand");
      const paths = cache.takeRequests().map(({ path }) => path.split("/")[1]);
      if (state === "cold") expect(paths).toEqual(expect.arrayContaining(["realisations", "nar", "log"]));
      else expect(paths.filter((path) => path === "nar" || path === "log")).toEqual([]);
      await builder.forget();
    }
  });

  test("listings, logs and realisations pass as they are", async ({ published, cache, larder, caFile }) => {
    const through = { port: larder.port, ca: await readFile(caFile, "utf8") };
    const names = await readdir(published.cache, { recursive: true });
    const kinds = [/^[^/]*\.ls$/, /^log\/.*\.drv$/, /^realisations\/.*\.doi$/];
    for (const kind of kinds) {
      const name = names.find((each) => kind.test(each)) ?? `none like ${kind}`;
      const answer = await get(through, `${cache.url}/${name}`);
      expect(answer).toMatchObject({ status: 200, body: await readFile(join(published.cache, name)) });
    }
  });
});
