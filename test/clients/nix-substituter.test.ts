import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import type { Origin } from "../support/origin.ts";
import { NixMachine, NixStore } from "../support/repositories/nix-cache.ts";

const NAR = /\/nar\//;
const asked = (origin: Origin, what: RegExp) => origin.takeRequests().filter(({ path }) => what.test(path)).length;
const hashOf = (path: string) => path.slice("/nix/store/".length, "/nix/store/".length + 32);

const test = base
  .extend("nix", { scope: "file" }, ({ sharedFolder }) => NixStore.create(sharedFolder))
  .extend("caches", { scope: "file" }, async ({ nix }) => {
    return { xz: await nix.publish("xz", "xz"), none: await nix.publish("none", "none") };
  })
  /** Two caches that pack the same paths differently: the second has all of them. */
  .extend("first", ({ startOrigin, authority }) =>
    startOrigin({ tls: authority.certificate("good"), name: "localhost" }),
  )
  .extend("second", async ({ startOrigin, authority, caches }) => {
    const origin = await startOrigin({ tls: authority.certificate("good"), name: "localhost" });
    origin.serve("/", folderHandler("/", caches.xz));
    return origin;
  })
  .extend("larder", ({ startLarder, first, second }) =>
    startLarder({ flags: [first, second].flatMap(({ url }) => ["--nix-upstream", url]) }),
  )
  .extend("page", ({ larder }) => async (path: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${larder.url}/nix/${path}`, { headers });
    return { status: answer.status, text: await answer.text() };
  })
  /** Realises the path on a machine that knows neither a proxy nor a CA: gives what it has then. */
  .extend("realise", ({ larder, folder, nix }) => {
    let machines = 0;
    return async (below = "nix/") => {
      machines += 1;
      const machine = await NixMachine.create({ home: join(folder, `machine-${machines}`), publicKey: nix.publicKey });
      const { code } = await machine.realise([`${larder.url}/${below}`], nix.path);
      return code === 0 ? digestOf(await machine.read(nix.path)) : `exit ${code}`;
    };
  })
  .extend("published", async ({ nix, sharedFolder }) => {
    return digestOf(await readFile(join(sharedFolder, "source", nix.path)));
  });

/** A cache that ends for good when it has sent so much of a nar. */
async function publishUntilDeath(origin: Origin, folder: string, bytes: number): Promise<void> {
  origin.serve("/", folderHandler("/", folder));
  origin.serve("/nar/", async ({ url = "" }, response) => {
    const nar = await readFile(join(folder, url));
    response.writeHead(200, { "Content-Length": nar.length });
    if (bytes > 0) await new Promise((resolve) => response.write(nar.subarray(0, bytes), resolve));
    await origin.stop();
  });
}

describe("nix-store --realise from /nix/, without a CA", () => {
  test("takes a path from the first cache that has it, once, and when none is there any more", async ({
    first,
    second,
    realise,
    published,
  }) => {
    expect(await realise()).toBe(published);
    expect(asked(first, /narinfo$/)).toBe(1);
    expect(asked(second, NAR)).toBe(1);
    expect(await realise()).toBe(published);
    expect(asked(second, NAR)).toBe(0);
    await first.stop();
    await second.stop();
    expect(await realise()).toBe(published);
  });

  test("takes it from the next when the first is not there, and by its name from one alone", async ({
    first,
    second,
    realise,
    published,
  }) => {
    await first.stop();
    expect(await realise()).toBe(published);
    expect(await realise(`nix/localhost-${second.port}/`)).toBe(published);
    expect(await realise(`nix/localhost-${first.port}/`)).toBe("exit 1");
  });

  test("takes narinfo and nar from the same cache, with the signature as it was", async ({
    first,
    second,
    caches,
    nix,
    page,
    realise,
    published,
  }) => {
    first.serve("/", folderHandler("/", caches.none));
    const written = await readFile(join(caches.none, `${hashOf(nix.path)}.narinfo`), "utf8");
    const { text } = await page(`${hashOf(nix.path)}.narinfo`);
    expect(text).toBe(written.replace(/^URL: /m, `URL: localhost-${first.port}/`));
    expect(text).toMatch(/^Sig: larder-test-1:/m);
    // The other has packed it otherwise: its file would not do.
    expect(await realise()).toBe(published);
    expect(asked(first, NAR)).toBe(1);
    expect(asked(second, /./)).toBe(0);
  });

  const packings = [
    ["the same file", "xz", 200, 1],
    ["another file", "none", 502, 0],
  ] as const;
  test.for(packings)(
    "of a cache that has gone, when another one's narinfo is known that declares %s",
    async ([, packing, status, fetched], { first, second, caches, nix, page }) => {
      const narinfo = `${hashOf(nix.path)}.narinfo`;
      first.serve("/", folderHandler("/", caches[packing]));
      const gone = `localhost-${first.port}`;
      const url = /^URL: (.*)$/m.exec((await page(`${gone}/${narinfo}`)).text)?.[1];
      await page(`localhost-${second.port}/${narinfo}`);
      await first.stop();
      expect((await page(`${gone}/${url}`)).status).toBe(status);
      expect(asked(second, NAR)).toBe(fetched);
    },
  );

  const deaths = [
    ["before the first byte", 0],
    ["in the middle", 200_000],
  ] as const;
  test.for(deaths)(
    "goes on at the next cache when the first dies %s of the nar, whatever it knew of that one",
    async ([, bytes], { first, second, caches, nix, realise, published, page }) => {
      await publishUntilDeath(first, caches.xz, bytes);
      expect(await realise()).toBe(published);
      const requests = second.takeRequests();
      expect(requests.map(({ path }) => path.replace(/^\/nar\/.*/, "nar"))).toEqual([
        `/${hashOf(nix.path)}.narinfo`,
        "nar",
      ]);
      expect(requests[1]?.headers.range).toEqual(bytes === 0 ? undefined : expect.stringMatching(/^bytes=[1-9]\d*-$/));
      // The narinfo of the first leads to it still.
      expect((await page(`${hashOf(nix.path)}.narinfo`)).text).toMatch(`URL: localhost-${first.port}/`);
    },
  );

  test("takes no nar of another cache that has packed it otherwise; the next try takes narinfo and nar from there", async ({
    first,
    second,
    caches,
    realise,
    published,
  }) => {
    await publishUntilDeath(first, caches.none, 0);
    expect(await realise()).toBe("exit 1");
    expect(asked(second, NAR)).toBe(0);
    expect(await realise()).toBe(published);
    expect(asked(second, NAR)).toBe(1);
  });

  test("asks other caches for nothing as long as the first has it", async ({
    first,
    second,
    caches,
    realise,
    published,
  }) => {
    first.serve("/", folderHandler("/", caches.xz));
    expect(await realise()).toBe(published);
    expect(asked(second, /./)).toBe(0);
  });

  test("never takes a nar that is not what its narinfo says", async ({ first, caches, nix, realise, larder }) => {
    first.serve("/", folderHandler("/", caches.none));
    const url =
      /^URL: (.*)$/m.exec(await readFile(join(caches.none, `${hashOf(nix.path)}.narinfo`), "utf8"))?.[1] ?? "";
    first.serve(`/${url}`, bytesHandler(Buffer.alloc(300_000, "wrong")));
    expect(await realise()).toBe("exit 1");
    expect(await larder.stored(url)).toEqual([]);
  });
});

describe("/nix/", () => {
  test("says of itself what a cache says", async ({ page }) => {
    const info = { status: 200, text: "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n" };
    expect(await page("nix-cache-info")).toEqual(info);
  });

  test("has not what no cache has, and cannot tell when one of them is not there", async ({ page, first }) => {
    const missing = `${"0".repeat(32)}.narinfo`;
    expect(await page(missing)).toMatchObject({ status: 404, text: expect.stringContaining("NOT_FOUND") });
    await first.stop();
    expect(await page(missing.replaceAll("0", "1"))).toMatchObject({
      status: 502,
      text: expect.stringContaining("ORIGIN_REFUSED"),
    });
  });

  test("is nothing for pages of other sites", async ({ page, first }) => {
    expect(await page("nix-cache-info", { "Sec-Fetch-Site": "cross-site" })).toMatchObject({ status: 403 });
    expect(await page(`${"0".repeat(32)}.narinfo`, { "Sec-Fetch-Site": "cross-site" })).toMatchObject({ status: 403 });
    expect(first.takeRequests()).toEqual([]);
  });

  test("shows credentials to none of several caches", async ({ page, first, second }) => {
    await page(`${"0".repeat(32)}.narinfo`, { Authorization: "Basic secret" });
    const requests = [...first.takeRequests(), ...second.takeRequests()];
    expect(requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
  });
});
