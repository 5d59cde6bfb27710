import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test as base } from "../support/fixtures.ts";
import { type Larder, type LarderOptions, runLarder } from "../support/larder.ts";
import { LAN, Lan } from "../support/networks/lan.ts";

const FALLBACK = "\nextra-substituters = https://cache.nixos.org/\n";

const test = base
  .extend("lan", { scope: "file" }, async ({ sharedFolder }, { onCleanup }) => {
    const lan = await Lan.create(sharedFolder);
    onCleanup(() => lan.network.stop());
    return lan;
  })
  /** Servers that are no caches. */
  .extend("strangers", { scope: "file" }, ({ lan, authority, sharedFolder }) => {
    const [address, tls] = [LAN.otherCache, authority.certificate("good")];
    return lan.network.host(
      [
        { kind: "silent", address, port: 1001 },
        { kind: "page", address, port: 1002 },
        { kind: "banner", address, port: 1003 },
        { kind: "page", address, port: 1004, tls },
      ],
      { cwd: sharedFolder },
    );
  })
  .extend("look", ({ lan, folder }) => async (override: string, ...flags: readonly string[]) => {
    await writeFile(join(folder, "override"), override);
    const files = ["--override-file", join(folder, "override"), "--state-dir", join(folder, "resolver")];
    const args = ["resolve", "--once", "--explain", ...files, ...flags];
    const { code, stdout, stderr } = await runLarder(args, { folder, enter: lan.network.enter });
    return { code, stderr, said: stdout.toString() };
  })
  .extend(
    "written",
    ({ folder }) =>
      (file: string) =>
        readFile(join(folder, "resolver", file), "utf8"),
  );

type StartLarder = (options: Partial<LarderOptions>) => Promise<Larder>;

/** The first has this test take a second; a machine too busy for that gets the time it needs. */
const DEADLINES = ["500ms", "3s", "10s"];

/** The lines of `--explain` about one method. */
const linesOf = (said: string, method: string) => said.split("\n").filter((line) => line.startsWith(`${method} `));

describe("larder resolve, where the place that a file names", () => {
  const faults = [
    ["refuses", `${LAN.cache}:1`, /ECONNREFUSED/],
    ["is a black hole", LAN.blackHole, /does not answer in time|was not waited for/],
    ["accepts and says nothing", `${LAN.otherCache}:1001`, /does not answer in time|was not waited for/],
    ["has a name that does not exist", "nobody.larder.test", /names no place/],
    ["is somebody else's web server", `${LAN.otherCache}:1002`, /answers, but is no cache/],
    ["is an ssh server", `${LAN.otherCache}:1003`, /speaks no HTTP/],
    ["speaks TLS", `${LAN.otherCache}:1004`, /ends the connection without an answer/],
    ["makes no sense", "user@host/path", /is no place of a cache/],
  ] as const;
  test.for(faults)(
    "%s, succeeds, tells why, and leaves the public caches",
    async ([, place, verdict], { strangers: _, look, written }) => {
      let said = "";
      for (const deadline of DEADLINES) {
        const looked = await look(place, "--deadline", deadline);
        expect(looked.code).toBe(0);
        said = looked.said;
        if (linesOf(said, "override").some((line) => verdict.test(line))) break;
      }
      expect(linesOf(said, "override")).toEqual([expect.stringMatching(verdict)]);
      expect(said).toMatch(/\nno cache; the public ones serve\n$/);
      expect(await written("nix.conf")).toContain(FALLBACK);
      expect(await written("proxy.env")).not.toContain("=");
    },
  );
});

/** What `--explain` says each method took, in milliseconds. */
const timesIn = (said: string) => [...said.matchAll(/ (\d+) ms /g)].map(([, time]) => Number(time));

describe("larder resolve, where nothing answers", () => {
  test("ends within its deadline, although name servers, caches and neighbours all keep silent", async ({
    lan,
    strangers: _,
    look,
    written,
    folder,
    sharedFolder,
  }) => {
    await lan.network.host([{ kind: "names", address: LAN.otherCache, port: 53 }], { cwd: sharedFolder });
    await lan.network.useNameServers([LAN.otherCache]);
    await mkdir(join(folder, "resolver"));
    await writeFile(join(folder, "resolver", "larder-last"), `${LAN.blackHole}:3142 trusted\n`);
    const { code, said } = await look(`slow.larder.test ${LAN.blackHole} ${LAN.otherCache}:1001\n`);
    await lan.network.useNameServers([LAN.names]);
    expect(code).toBe(0);
    for (const method of ["override", "dns", "mdns", "dns-sd", "neighbour", "last-known"])
      expect(linesOf(said, method).join()).toMatch(/was not waited for|names no place|ETIMEOUT/);
    expect(timesIn(said).length).toBeGreaterThan(6);
    expect(Math.max(...timesIn(said))).toBeLessThan(10_000);
    expect(await written("nix.conf")).toContain(FALLBACK);
  });

  test("does not wait for who would write into a pipe in place of the override file", async ({ lan, folder, look }) => {
    await lan.network.run("mkfifo", [join(folder, "pipe")], { cwd: folder });
    const { code, said } = await look("", "--deadline", "500ms", "--override-file", join(folder, "pipe"));
    expect([code, linesOf(said, "override")]).toEqual([0, [expect.stringContaining("names no place")]]);
  });
});

describe("larder resolve finds a larder", () => {
  /** Starts one that listens on an address of the network. */
  const startAt = (tools: { lan: Lan; startLarder: StartLarder }, address: string) =>
    tools.startLarder({
      enter: tools.lan.network.enter,
      flags: ["--listen", `${address.includes(":") ? `[${address}]` : address}:3142`],
    });

  test("by its name, and at its next address once it has moved", async ({ lan, startLarder, look, written }) => {
    const first = await startAt({ lan, startLarder }, LAN.cache);
    await lan.name({ "larder.larder.test": LAN.cache });
    expect((await look("")).said).toMatch(/\n192\.0\.2\.10:3142 by dns\n$/);
    expect(await written("larder-ip")).toBe(`${LAN.cache}\n`);
    await first.stop();
    await startAt({ lan, startLarder }, LAN.otherCache);
    await lan.name({ "larder.larder.test": LAN.otherCache });
    const { said } = await look("");
    expect(linesOf(said, "last-known")).toEqual([expect.stringContaining("ECONNREFUSED")]);
    expect(await written("larder-ip")).toBe(`${LAN.otherCache}\n`);
    expect(await written("proxy.env")).toContain(`\nhttps_proxy=http://${LAN.otherCache}:3142\n`);
  });

  test("where it was the last time, although no name server answers", async ({ lan, startLarder, look }) => {
    await startAt({ lan, startLarder }, LAN.cache);
    expect((await look(LAN.cache)).said).toMatch(/ by override\n$/);
    await lan.network.useNameServers([LAN.blackHole]);
    const { said } = await look("");
    await lan.network.useNameServers([LAN.names]);
    expect(said).toMatch(/\n192\.0\.2\.10:3142 by last-known\n$/);
  });
});
