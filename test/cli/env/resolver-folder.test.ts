import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect } from "vitest";
import { ResolverFolder } from "../../../cli/env/resolver-folder.ts";
import type { FoundCache } from "../../../reach/resolve.ts";
import { test as base } from "../../support/fixtures.ts";
import { mustRun } from "../../support/programs.ts";

const LARDER: FoundCache = {
  method: "dns",
  isTrusted: true,
  place: { host: "192.0.2.10", port: 3142 },
  isLarder: true,
  nixPath: "/nix/",
};

const test = base.extend("resolver", ({ folder }) => new ResolverFolder(join(folder, "resolver"), "cache"));

const linesOf = (folder: string, file: string) => readFileSync(join(folder, "resolver", file), "utf8").split("\n");

/** The settings as the real Nix reads them, with this file included last in its own. */
async function nixSettings(folder: string): Promise<Readonly<Record<string, { readonly value: unknown }>>> {
  const call = ["show-config", "--json", "--extra-experimental-features", "nix-command"];
  const conf = `!include ${join(folder, "resolver/nix.conf")}\n`;
  const env = { NIX_CONFIG: conf, NIX_CONF_DIR: folder, HOME: folder, NIX_REMOTE: "local" };
  return JSON.parse((await mustRun("nix", call, { cwd: folder, env })).toString());
}

describe("what larder resolve writes", () => {
  test("says, line by line, where the cache is", ({ resolver, folder }) => {
    resolver.write(LARDER);
    expect(linesOf(folder, "cache-ip")).toEqual(["192.0.2.10", ""]);
    expect(linesOf(folder, "nix.conf")).toEqual([
      "# written by larder resolve; changes are lost",
      "extra-substituters = http://192.0.2.10:3142/nix/ https://cache.nixos.org/",
      "fallback = true",
      "connect-timeout = 2",
      "stalled-download-timeout = 15",
      "download-attempts = 2",
      "narinfo-cache-negative-ttl = 60",
      "",
    ]);
    const url = "http://192.0.2.10:3142";
    const noProxy = "localhost,127.0.0.1,::1,host.containers.internal";
    expect(linesOf(folder, "proxy.env").sort()).toEqual([
      "",
      "# written by larder resolve; changes are lost",
      `HTTPS_PROXY=${url}`,
      `HTTP_PROXY=${url}`,
      "NODE_USE_ENV_PROXY=1",
      `NO_PROXY=${noProxy}`,
      `http_proxy=${url}`,
      `https_proxy=${url}`,
      `no_proxy=${noProxy}`,
    ]);
  });

  test("brackets an address of IPv6 in URLs, and in no other place", ({ resolver, folder }) => {
    resolver.write({ ...LARDER, place: { host: "2001:db8::7", port: 80 } });
    expect(linesOf(folder, "cache-ip")).toEqual(["2001:db8::7", ""]);
    expect(linesOf(folder, "nix.conf")[1]).toContain(" http://[2001:db8::7]:80/nix/ ");
  });

  test("names no proxy that anybody on the link could have answered for, nor a cache of Nix as one", ({
    resolver,
    folder,
  }) => {
    for (const found of [
      { ...LARDER, isTrusted: false },
      { ...LARDER, isLarder: false, nixPath: "/" },
    ]) {
      resolver.write(found);
      expect(linesOf(folder, "proxy.env")).toEqual(["# written by larder resolve; changes are lost", ""]);
      expect(linesOf(folder, "nix.conf")[1]).toMatch(/^extra-substituters = http:\/\/192\.0\.2\.10:3142\//);
    }
  });

  test.for([LARDER, undefined])(
    "is read by the real Nix, and changes nothing of whom it trusts: %j",
    async (found, { resolver, folder }) => {
      const before = await nixSettings(folder);
      resolver.write(found);
      const after = await nixSettings(folder);
      const changed = Object.keys(after).filter((name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]));
      const usual = ["connect-timeout", "download-attempts", "narinfo-cache-negative-ttl", "stalled-download-timeout"];
      expect(changed.sort()).toEqual([...usual, "substituters", ...(found === undefined ? [] : ["fallback"])].sort());
      const caches = ["https://cache.nixos.org/", ...(found === undefined ? [] : ["http://192.0.2.10:3142/nix/"])];
      expect(new Set(after["substituters"]?.value as string[])).toEqual(new Set(caches));
      expect(after["require-sigs"]?.value).toBe(true);
    },
  );

  test("is never seen half written", async ({ resolver, folder }) => {
    resolver.write(undefined);
    const file = join(folder, "resolver/nix.conf");
    const reads = `n=0; while [ ! -e "$1.end" ]; do tail -n 1 "$1"; n=$((n + 1)); done`;
    const reader = spawn("sh", ["-c", reads, "sh", file], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
    const said = text(reader.stdout);
    await once(reader.stdout, "readable");
    for (let n = 0; n < 100; n += 1) {
      resolver.write(n % 2 === 0 ? LARDER : undefined);
      await new Promise(setImmediate);
    }
    await mustRun("touch", [`${file}.end`], { cwd: folder });
    const lines = (await said).trimEnd().split("\n");
    expect([...new Set(lines)]).toEqual(["narinfo-cache-negative-ttl = 60"]);
  });
});
