import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Digest, digestOf } from "../../core/digest.ts";
import { test as base } from "../support/fixtures.ts";
import { type Larder, type LarderOptions, runLarder } from "../support/larder.ts";
import type { Host } from "../support/networks/hosts.ts";
import { LAN, LAN6, Lan } from "../support/networks/lan.ts";
import { nextLine } from "../support/networks/network.ts";
import { NixMachine, NixStore } from "../support/repositories/nix-cache.ts";

type StartLarder = (options: Partial<LarderOptions>) => Promise<Larder>;
type Outcome = readonly [code: number | null, digest: Digest | undefined];

/** Machines of one network that use what `larder resolve` wrote there, beside their own keys. */
class Site {
  readonly lan: Lan;
  readonly #options: { readonly folder: string; readonly nix: NixStore; readonly caFile: string };
  #machines = 0;

  constructor(lan: Lan, options: { readonly folder: string; readonly nix: NixStore; readonly caFile: string }) {
    this.lan = lan;
    this.#options = options;
  }

  /** A larder that stands for the public cache, which is of this network, too. */
  startLarder(start: StartLarder, address: string, more: readonly string[] = []): Promise<Larder> {
    const host = address.includes(":") ? `[${address}]` : address;
    const mayAsk = ["192.0.2.0/24", "2001:db8::/32"].flatMap((range) => ["--allow-destination", range]);
    return start({ enter: this.lan.network.enter, flags: ["--listen", `${host}:3142`, ...mayAsk, ...more] });
  }

  async resolve(): Promise<string> {
    const { folder } = this.#options;
    const args = [
      "resolve",
      "--once",
      "--state-dir",
      join(folder, "resolver"),
      "--override-file",
      join(folder, "none"),
    ];
    await runLarder(args, { folder, enter: this.lan.network.enter });
    return readFile(join(folder, "resolver/nix.conf"), "utf8");
  }

  /** A machine that has nothing yet takes the published path. */
  async realise(): Promise<Outcome> {
    const { folder, nix, caFile } = this.#options;
    this.#machines += 1;
    const machine = await NixMachine.create({
      home: join(folder, `machine-${this.#machines}`),
      publicKey: nix.publicKey,
      caFile,
      conf: `!include ${join(folder, "resolver/nix.conf")}\n`,
      enter: this.lan.network.enter,
    });
    const { code } = await machine.realise(undefined, nix.path);
    return [code, code === 0 ? digestOf(await machine.read(nix.path)) : undefined];
  }
}

const test = base
  .extend("nix", { scope: "file" }, ({ sharedFolder }) => NixStore.create(sharedFolder))
  .extend("published", { scope: "file" }, async ({ nix, sharedFolder }): Promise<Outcome> => {
    return [0, digestOf(await readFile(join(sharedFolder, "source", nix.path)))];
  })
  .extend("publicCache", { scope: "file" }, async ({ nix, authority }) => {
    const folder = await nix.publish("public", "xz");
    // As that of the real one; Nix by itself says nothing of a priority, which is the best there is.
    await writeFile(join(folder, "nix-cache-info"), "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n");
    const tls = authority.certificate("good");
    return (address: string, more: Partial<Host> = {}): Host => ({
      ...{ kind: "folder", address, port: 443, folder, tls },
      ...more,
    });
  })
  .extend("siteOf", async ({ folder, nix, authority, publicCache }, { onCleanup }) => {
    const lans: Lan[] = [];
    onCleanup(async () => {
      for (const lan of lans) await lan.network.stop();
    });
    return async (lan: Lan, address: string): Promise<Site> => {
      lans.push(lan);
      await lan.network.host([publicCache(address)], { cwd: folder });
      await lan.name({ "larder.larder.test": address === LAN.publicCache ? LAN.cache : LAN6.cache });
      return new Site(lan, { folder, nix, caFile: authority.caFile });
    };
  })
  .extend("site", async ({ siteOf, folder }) => siteOf(await Lan.create(folder), LAN.publicCache));

describe("nix-store --realise with the nix.conf of larder resolve", () => {
  test("takes a path from the larder that was found; once that has moved, by the old file from the public cache, by the new from it", async ({
    site,
    startLarder,
    published,
  }) => {
    const larder = await site.startLarder(startLarder, LAN.cache);
    expect(await site.resolve()).toMatch(/^extra-substituters = http:\/\/192\.0\.2\.10:3142\/nix\/ https:\/\/cache/m);
    expect(await site.realise()).toEqual(published);
    expect(await larder.stored("/nar/")).toHaveLength(1);
    await larder.stop();
    const moved = await site.startLarder(startLarder, LAN.otherCache);
    await site.lan.name({ "larder.larder.test": LAN.otherCache });
    expect(await site.realise()).toEqual(published);
    expect(await moved.stored("/nar/")).toEqual([]);
    await site.resolve();
    expect(await site.realise()).toEqual(published);
    expect(await moved.stored("/nar/")).toHaveLength(1);
  });

  test("works in a network without IPv4", async ({ siteOf, folder, startLarder, published }) => {
    const site = await siteOf(await Lan.createIpv6Only(folder), LAN6.publicCache);
    const larder = await site.startLarder(startLarder, LAN6.cache);
    expect(await site.resolve()).toContain("= http://[2001:db8::10]:3142/nix/ https://cache.nixos.org/\n");
    expect(await site.realise()).toEqual(published);
    expect(await larder.stored("/nar/")).toHaveLength(1);
  });

  test("goes on from the public cache when the larder dies in the middle of a download", async ({
    site,
    startLarder,
    folder,
    publicCache,
    published,
  }) => {
    const upstream = publicCache(LAN.otherCache, { stallsOnceIn: "/nar/" });
    const stalling = await site.lan.network.host([upstream], { cwd: folder });
    await site.lan.name({ "larder.larder.test": LAN.cache, "upstream.larder.test": LAN.otherCache });
    const flags = ["--nix-upstream", "https://upstream.larder.test/"];
    const larder = await site.startLarder(startLarder, LAN.cache, flags);
    await site.resolve();
    const realised = site.realise();
    expect(await nextLine(stalling)).toBe("stalled");
    await larder.kill();
    expect(await realised).toEqual(published);
  });

  const strangers = [
    ["refuses", undefined],
    ["is a black hole", "none"],
    ["is somebody else's web server", "page"],
    ["is an ssh server", "banner"],
    ["speaks TLS", "tls"],
  ] as const;
  test.for(strangers)(
    "takes it from the public cache when what was found %s",
    async ([, kind], { site, startLarder, published, folder, authority }) => {
      const larder = await site.startLarder(startLarder, LAN.cache);
      await site.resolve();
      await larder.stop();
      const at = { address: LAN.cache, port: 3142 };
      const tls = authority.certificate("good");
      if (kind === "none") await site.lan.lose(LAN.cache);
      else if (kind === "tls") await site.lan.network.host([{ kind: "page", tls, ...at }], { cwd: folder });
      else if (kind !== undefined) await site.lan.network.host([{ kind, ...at }], { cwd: folder });
      expect(await site.realise()).toEqual(published);
    },
  );
});
