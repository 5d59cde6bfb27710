import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { get } from "../support/client.ts";
import { spoiled } from "../support/faults.ts";
import { bytesHandler, folderHandler } from "../support/files.ts";
import { test as base } from "../support/fixtures.ts";
import { bodyBytes, type Origin } from "../support/origin.ts";
import { type NarCompression, NixMachine, NixStore } from "../support/repositories/nix-cache.ts";

const NAR = /\/nar\//;
const hashOf = (path: string) => path.slice("/nix/store/".length, "/nix/store/".length + 32);

const test = base
  .extend("nix", { scope: "file" }, ({ sharedFolder }) => NixStore.create(sharedFolder))
  .extend("caches", { scope: "file" }, () => new Map<NarCompression, Promise<string>>())
  .extend("startCache", ({ startOrigin, authority, nix, caches }) => async (compression: NarCompression = "xz") => {
    const folder = await (caches.get(compression) ?? nix.publish(compression, compression));
    caches.set(compression, Promise.resolve(folder));
    const origin = await startOrigin({ tls: authority.certificate("good"), name: "localhost" });
    origin.serve("/", folderHandler("/", folder));
    return { origin, folder };
  })
  .extend("through", async ({ larder, caFile }) => ({ port: larder.port, ca: await readFile(caFile, "utf8") }))
  .extend("newMachine", ({ larder, caFile, folder, nix }) => {
    let machines = 0;
    return () => {
      machines += 1;
      const home = join(folder, `machine-${machines}`);
      return NixMachine.create({ home, proxy: larder.url, caFile, publicKey: nix.publicKey });
    };
  })
  /** Copies the path to a machine that has never had it: gives what it has then. */
  .extend("copy", ({ newMachine, nix }) => async (origin: Origin) => {
    const machine = await newMachine();
    const { code } = await machine.copy(origin.url, nix.path, nix.referring);
    return code === 0 ? digestOf(await machine.read(nix.path)) : `exit ${code}`;
  })
  .extend("published", async ({ nix, sharedFolder }) => {
    return digestOf(await readFile(join(sharedFolder, "source", nix.path)));
  });

/** The file of the larger path's nar, and its name. */
async function narOf(folder: string, path: string): Promise<{ readonly name: string; readonly bytes: Buffer }> {
  const narinfo = await readFile(join(folder, `${hashOf(path)}.narinfo`), "utf8");
  const name = /^URL: (.*)$/m.exec(narinfo)?.[1] ?? "";
  return { name: `/${name}`, bytes: await readFile(join(folder, name)) };
}

describe("nix copy", () => {
  for (const compression of ["xz", "zstd", "br", "none"] as const)
    test(`takes nars in ${compression} from the network once, whichever cache has them, and all when none is there`, async ({
      startCache,
      copy,
      published,
    }) => {
      const [one, other] = [(await startCache(compression)).origin, (await startCache(compression)).origin];
      expect(await copy(one)).toBe(published);
      expect(bodyBytes(one.takeRequests(), NAR)).toBeGreaterThan(0);
      expect(await copy(one)).toBe(published);
      expect(await copy(other)).toBe(published);
      expect([...one.takeRequests(), ...other.takeRequests()].filter(({ path }) => NAR.test(path))).toEqual([]);
      for (const origin of [one, other]) await origin.stop();
      for (const origin of [one, other]) expect(await copy(origin)).toBe(published);
    });

  test("fails by a nar that is not what its narinfo says, and gets it when another cache has it right", async ({
    startCache,
    copy,
    nix,
    published,
    through,
    larder,
  }) => {
    const { origin: bad, folder } = await startCache();
    const { name, bytes } = await narOf(folder, nix.path);
    bad.serve(name, bytesHandler(spoiled(bytes)));
    expect(await copy(bad)).toBe("exit 1");
    expect(await larder.stored(name)).toEqual([]);
    expect(await larder.counters()).toMatchObject({ mismatches: 1 });

    const { origin: good } = await startCache();
    await get(through, `${good.url}/${hashOf(nix.path)}.narinfo`);
    expect(await copy(bad)).toBe(published);
    expect(bodyBytes(good.takeRequests(), NAR)).toBe(bytes.length);
  });
});

describe("nix-store --realise", () => {
  test("takes a path from the substituter that has it right", async ({ startCache, newMachine, nix, published }) => {
    const { origin: bad, folder } = await startCache();
    const { name, bytes } = await narOf(folder, nix.path);
    bad.serve(name, bytesHandler(spoiled(bytes)));
    const { origin: good } = await startCache("zstd");
    const machine = await newMachine();
    expect(await machine.realise([bad.url, good.url], nix.path)).toMatchObject({ code: 0 });
    expect(digestOf(await machine.read(nix.path))).toBe(published);
  });
});

describe("a narinfo", () => {
  test("is fresh while its nar is stored, and passes as its cache wrote it", async ({ startCache, through, nix }) => {
    const { origin, folder } = await startCache();
    const url = `${origin.url}/${hashOf(nix.path)}.narinfo`;
    const written = await readFile(join(folder, `${hashOf(nix.path)}.narinfo`));
    for (const _ of ["cold", "revalidated"]) expect((await get(through, url)).body).toEqual(written);
    expect(origin.takeRequests()).toMatchObject([{ status: 200 }, { status: 304 }]);
    const nar = origin.url + (await narOf(folder, nix.path)).name;
    // The second answer comes from the store: the nar is there then.
    for (const _ of ["cold", "warm"]) await get(through, nar);
    origin.takeRequests();
    expect((await get(through, url)).body).toEqual(written);
    expect(origin.takeRequests()).toEqual([]);
  });

  test("lives and dies with its nar: what was evicted or purged, nix fetches again, both of it", async ({
    startCache,
    copy,
    larder,
    published,
  }) => {
    const { origin } = await startCache();
    expect(await copy(origin)).toBe(published);
    const paths = (): string[] => origin.takeRequests().map(({ path }) => path.replace(/[0-9a-z]{32,}/, "*"));
    const fetched = paths().sort();
    expect(fetched).toContain("/nar/*.nar.xz");
    for (const [name, ...order] of [
      ["gc", "--max-bytes", "1B"],
      ["purge", "**/nar/*"],
      ["purge", "**/*.narinfo"],
    ] as const) {
      expect(await larder.command("store", name, ...order)).toMatchObject({ code: 0 });
      for (const kind of [".narinfo", "/nar/"]) expect(await larder.stored(kind)).toEqual([]);
      expect(await copy(origin)).toBe(published);
      expect(paths().sort()).toEqual(expect.arrayContaining(fetched.filter((path) => path !== "/nix-cache-info")));
    }
  });

  test("that is not there is not asked for again at once", async ({ startCache, through }) => {
    const { origin } = await startCache();
    const url = `${origin.url}/${"0".repeat(32)}.narinfo`;
    origin.serve(`/${"0".repeat(32)}.narinfo`, (_, response) => void response.writeHead(404).end());
    for (const _ of ["cold", "warm"]) expect(await get(through, url)).toMatchObject({ status: 404 });
    expect(origin.takeRequests()).toHaveLength(1);
  });

  test("is declared about, to whoever asks why", async ({ startCache, through, nix, larder }) => {
    const { origin, folder } = await startCache();
    const url = `${origin.url}/${hashOf(nix.path)}.narinfo`;
    await get(through, url);
    const why = await larder.command("why", "--json", origin.url + (await narOf(folder, nix.path)).name);
    expect(JSON.parse(why.stdout.toString())).toMatchObject({
      declaration: { kind: "payload", algorithm: "sha256", root: { uri: url } },
    });
  });
});

describe("with a public key", () => {
  const withKey = test.extend("larder", ({ startLarder, nix }) =>
    startLarder({ flags: ["--nix-public-keys", nix.publicKey] }),
  );

  withKey("paths that it signed are taken, references and all", async ({ startCache, copy, published }) => {
    expect(await copy((await startCache()).origin)).toBe(published);
  });

  withKey("a narinfo that says anything else is refused", async ({ startCache, through, nix }) => {
    const { origin, folder } = await startCache();
    for (const name of (await readdir(folder)).filter((file) => file.endsWith(".narinfo"))) {
      const written = await readFile(join(folder, name), "utf8");
      expect(await get(through, `${origin.url}/${name}`)).toMatchObject({ status: 200 });
      for (const [at, wrong] of [
        [/^NarSize: \d+/m, "NarSize: 1"],
        [/^Sig: .*\n/m, ""],
        [/^StorePath: .*/m, `StorePath: ${nix.path}x`],
      ] as const) {
        origin.serve(`/other/${name}`, bytesHandler(Buffer.from(written.replace(at, wrong))));
        const answer = await get(through, `${origin.url}/other/${name}`);
        expect(answer).toMatchObject({ status: 502 });
        expect(answer.body.toString()).toContain("SIGNATURE_BAD");
      }
    }
  });
});
