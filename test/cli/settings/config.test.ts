import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ConfigInput, loadConfig } from "../../../cli/settings/config.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "larder-config-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Loads with an empty home in the test's folder, and `toml` as the user's file. */
function load({ flags = {}, env = {}, toml }: Partial<ConfigInput> & { readonly toml?: string }) {
  if (toml !== undefined) {
    mkdirSync(join(folder, "config/larder"), { recursive: true });
    writeFileSync(join(folder, "config/larder/larder.toml"), toml);
  }
  const home = { HOME: join(folder, "home"), XDG_CONFIG_HOME: join(folder, "config") };
  return loadConfig({ flags, env: { ...home, ...env }, workingDir: join(folder, "work") });
}

describe("where a value comes from", () => {
  const toml = 'connectTimeout = "3s"';
  const env = { LARDER_CONNECT_TIMEOUT: "2s" };
  const flags = { connectTimeout: "1s" };

  test("a flag goes over the environment, the file and the default", () => {
    const { settings, origins } = load({ flags, env, toml });
    expect(settings.connectTimeout).toBe(1000);
    expect(origins.connectTimeout).toEqual({ from: "flag", name: "--connect-timeout" });
  });

  test("the environment goes over the file and the default", () => {
    const { settings, origins } = load({ env, toml });
    expect(settings.connectTimeout).toBe(2000);
    expect(origins.connectTimeout).toEqual({ from: "environment", name: "LARDER_CONNECT_TIMEOUT" });
  });

  test("the file goes over the default", () => {
    const { settings, origins } = load({ toml });
    expect(settings.connectTimeout).toBe(3000);
    expect(origins.connectTimeout).toEqual({ from: "file", name: join(folder, "config/larder/larder.toml") });
  });

  test("without any of them the default holds", () => {
    const { settings, origins } = load({});
    expect(settings.connectTimeout).toBe(5000);
    expect(origins.connectTimeout).toEqual({ from: "default" });
  });

  test("an empty variable is an unset one", () => {
    expect(load({ env: { LARDER_CONNECT_TIMEOUT: "" } }).origins.connectTimeout.from).toBe("default");
  });

  test("a list replaces the list of the weaker place, and a variable separates its members by commas", () => {
    const { settings } = load({ env: { LARDER_ALLOW: "10.0.0.0/8, fd00::/8" }, toml: 'allow = ["192.168.0.0/16"]' });
    expect(settings.allow).toEqual(["10.0.0.0/8", "fd00::/8"]);
  });
});

describe("the image that builds start from", () => {
  const toml = 'baseImage = "debian:11"';

  test("is nothing unless it is given", () => {
    const { settings, origins, written } = load({});
    expect(settings.baseImage).toBeUndefined();
    expect(origins.baseImage).toEqual({ from: "default" });
    expect(written.baseImage).toEqual([]);
  });

  test("is taken from the file, from BASE_IMAGE, from larder's own variable or from the flag, the last one first", () => {
    const image = (input: Parameters<typeof load>[0]) => load({ toml, ...input }).settings.baseImage;
    const env = { BASE_IMAGE: "debian:12" };
    expect(image({})).toBe("debian:11");
    expect(image({ env })).toBe("debian:12");
    expect(image({ env: { ...env, LARDER_BASE_IMAGE: "debian:13" } })).toBe("debian:13");
    expect(image({ env, flags: { baseImage: "debian:14" } })).toBe("debian:14");
    expect(load({ env }).origins.baseImage).toEqual({ from: "environment", name: "BASE_IMAGE" });
  });

  test("has no spaces", () => {
    expect(() => load({ env: { BASE_IMAGE: "debian 12" } })).toThrow(
      /baseImage \(BASE_IMAGE\) is "debian 12"; allowed/,
    );
  });
});

describe("where files are", () => {
  test("the defaults follow the XDG base directories", () => {
    const env = { XDG_CACHE_HOME: "/x/cache", XDG_STATE_HOME: "/x/state" };
    const { settings } = load({ env });
    expect(settings.root).toBe("/x/cache/larder");
    expect(settings.state).toBe("/x/state/larder");
    expect(settings.caKey).toBe(join(folder, "config/larder/ca/ca.key"));
  });

  test("a relative XDG directory is ignored, as its specification says", () => {
    expect(load({ env: { XDG_CACHE_HOME: "cache" } }).settings.root).toBe(join(folder, "home/.cache/larder"));
  });

  test("a relative path on the command line starts at the working directory", () => {
    expect(load({ flags: { root: "./cache" } }).settings.root).toBe(join(folder, "work/cache"));
  });

  test("a relative path in the file starts at the file's folder, ~ at home, and $XDG_… where that is", () => {
    const { settings } = load({ toml: 'root = "cache"\nstate = "~/state"\noriginCa = ["$XDG_CONFIG_HOME/roots.pem"]' });
    expect(settings.root).toBe(join(folder, "config/larder/cache"));
    expect(settings.state).toBe(join(folder, "home/state"));
    expect(settings.originCa).toEqual([join(folder, "config/roots.pem")]);
  });

  test("a file that was named has to exist", () => {
    expect(() => load({ flags: { config: "gone.toml" } })).toThrow(
      expect.objectContaining({ code: "CONFIG_UNREADABLE", message: expect.stringContaining("gone.toml") }),
    );
  });

  test("a file that is not TOML is refused by name and line", () => {
    expect(() => load({ toml: 'maxBytes = "1G"\nroot = ' })).toThrow(
      expect.objectContaining({
        code: "CONFIG_UNREADABLE",
        message: expect.stringMatching(/^line 2 of .*larder\.toml/),
      }),
    );
  });

  test("a HOME that is empty or relative is none: the store does not move with the working directory", () => {
    for (const HOME of ["", "somewhere"])
      expect(load({ env: { HOME } }).settings.root).toBe(join(userInfo().homedir, ".cache/larder"));
  });

  test("a path that Node cannot hand over as it was meant is refused", () => {
    for (const root of ["bad\uFFFDname", "two\nlines"])
      expect(() => load({ flags: { root } })).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE" }));
  });
});

describe("what a value may be", () => {
  test.each([
    ["maxBytes", "auto", "auto"],
    ["maxBytes", "1000", 1000],
    ["maxBytes", "50GiB", 50 * 2 ** 30],
    ["maxBytes", "500M", 500_000_000],
    ["maxBytes", "500 MB", 500_000_000],
    ["maxBytes", "1.5K", 1500],
    ["connectTimeout", "500ms", 500],
    ["headersTimeout", "1.5m", 90_000],
    ["rootFreshFor", "0", 0],
    ["rootFreshFor", "1h", 3_600_000],
    ["fillsPerOrigin", "4", 4],
    ["logLevel", "debug", "debug"],
    ["verifyRanges", "refuse", "refuse"],
    ["rangeWait", "4MiB", 4 * 2 ** 20],
    ["targetedField", ["CDN-Cache-Control"], ["cdn-cache-control"]],
    [
      "listen",
      ["[::1]:0", "LOCALHOST:80"],
      [
        { host: "::1", port: 0 },
        { host: "localhost", port: 80 },
      ],
    ],
    ["allow", ["10.0.0.0/8", "10.1.2.3", "::1"], ["10.0.0.0/8", "10.1.2.3/32", "::1/128"]],
    ["intercept", ["*.Example.COM", "*", "10.0.0.1", "::1"], ["*.example.com", "*", "10.0.0.1", "::1"]],
    ["tunnel", ["cdn-*.*.example.com"], ["cdn-*.*.example.com"]],
    ["serverName", ["larder.lan"], ["larder.lan"]],
  ])("%s %j is read as %j", (key, written, value) => {
    expect(load({ flags: { [key]: written } }).settings).toHaveProperty(key, value);
  });

  test.each([
    ["maxBytes", "50 gigs"],
    ["maxBytes", "0"],
    ["maxBytes", "9999999T"],
    ["connectTimeout", "5"],
    ["connectTimeout", "0"],
    ["bodyTimeout", "90d"],
    ["rootFreshFor", "-1s"],
    ["fillsPerOrigin", "0"],
    ["fillsPerOrigin", "2.5"],
    ["logLevel", "loud"],
    ["verifyRanges", "never"],
    ["rangeWait", "auto"],
    ["targetedField", ["CDN Cache Control"]],
    ["rangeWait", "0"],
    ["root", ""],
    ["listen", ["3142"]],
    ["listen", ["127.0.0.1:65536"]],
    ["listen", ["fe80::1%eth0:3142"]],
    ["allow", ["10.0.0.0/33"]],
    ["allow", ["10.0.0.0/"]],
    ["allowDestination", ["example.com"]],
    ["allowDestination", ["10.0.0.0/8/8"]],
    ["tunnel", ["https://example.com"]],
    ["tunnel", ["example.com:443"]],
    ["serverName", ["larder.lan:3142"]],
  ])("%s %j is refused, with the key, the value, the flag and what is allowed", (key, written) => {
    const shown = JSON.stringify([written].flat().at(-1));
    expect(() => load({ flags: { [key]: written } })).toThrow(
      expect.objectContaining({
        code: "CONFIG_BAD_VALUE",
        message: expect.stringMatching(new RegExp(`^${key} \\(--[a-z-]+\\) is .*; allowed: .`)),
      }),
    );
    expect(() => load({ flags: { [key]: written } })).toThrow(shown);
  });

  test("numbers and lists of the file are read as such", () => {
    const { settings } = load({ toml: "maxBytes = 1000\nfillsPerOrigin = 2\nrootFreshFor = 0\nallow = []" });
    expect(settings).toMatchObject({ maxBytes: 1000, fillsPerOrigin: 2, rootFreshFor: 0, allow: [] });
  });

  test("a value of the wrong type in the file is refused and the file named", () => {
    expect(() => load({ toml: 'root = ["a", "b"]' })).toThrow(
      /^root \(in .*larder\.toml\) is \["a","b"\]; allowed: one/,
    );
    expect(() => load({ toml: "connectTimeout = 5" })).toThrow(/connectTimeout .* is 5; allowed: a time above zero/);
  });

  test("half of a CA is refused", () => {
    expect(() => load({ flags: { caCert: "ca.pem" } })).toThrow(
      expect.objectContaining({ code: "CONFIG_BAD_VALUE", message: expect.stringContaining("caKey is not") }),
    );
  });
});

describe("keys that do not exist", () => {
  test("an unknown key of the file is refused with the nearest known one", () => {
    expect(() => load({ toml: 'max-bytes = "5G"' })).toThrow(
      expect.objectContaining({
        code: "CONFIG_UNKNOWN_KEY",
        message: expect.stringContaining("did you mean maxBytes?"),
      }),
    );
  });

  test("where none is near, the error says how to list them", () => {
    expect(() => load({ toml: "colour = 1" })).toThrow(/unknown key colour .*`larder config` lists/);
  });

  test("the file cannot say where it is itself", () => {
    expect(() => load({ toml: 'config = "x"' })).toThrow(expect.objectContaining({ code: "CONFIG_UNKNOWN_KEY" }));
  });

  test("a variable that is nearly one of ours is taken for a slip", () => {
    expect(() => load({ env: { LARDER_MAX_BYTE: "5G" } })).toThrow(
      "unknown variable LARDER_MAX_BYTE; did you mean LARDER_MAX_BYTES?",
    );
  });

  test("other variables that begin with LARDER_ are somebody else's", () => {
    expect(() => load({ env: { LARDER_TEST_LONG: "1", LARDER_HOME: "/x" } })).not.toThrow();
  });
});

describe("bases that are one repository", () => {
  const table = (body: string) => `[[repository]]\n${body}\n`;
  const bases = 'bases = ["https://a.example/debian", "http://b.example:8080/mirrors/debian//"]';

  test("are read from the file, in their order and canonical", () => {
    const toml = table(`ecosystem = "deb"\n${bases}`) + table(`ecosystem = "rpm"\n${bases}`);
    expect(load({ toml }).repositories).toEqual([
      {
        name: "repository 1",
        ecosystem: "deb",
        bases: ["https://a.example/debian/", "http://b.example:8080/mirrors/debian/"],
      },
      expect.objectContaining({ name: "repository 2", ecosystem: "rpm" }),
    ]);
  });

  test("are none where the file names none", () => {
    expect(load({ toml: 'logLevel = "info"' }).repositories).toEqual([]);
  });

  test.each([
    [
      "an unknown ecosystem",
      table(`ecosystem = "debian"\n${bases}`),
      /^ecosystem of repository 1 .*larder\.toml.*deb, rpm/,
    ],
    ["no ecosystem", table(bases), /^ecosystem of repository 1 .* is missing; allowed: deb/],
    ["one base only", table('ecosystem = "deb"\nbases = ["https://a.example/"]'), /two or more URLs/],
    [
      "what is no URL",
      table('ecosystem = "deb"\nbases = ["https://a.example/", "b.example"]'),
      /"b.example"; allowed: http/,
    ],
    [
      "a query",
      table('ecosystem = "deb"\nbases = ["https://a.example/", "http://b/?x=1"]'),
      /"http:\/\/b\/\?x=1"; allowed/,
    ],
    ["no tables", 'repository = "https://a.example/"', /allowed: tables that begin with \[\[repository]]/],
  ])("are refused with %s", (_what, toml, message) => {
    expect(() => load({ toml })).toThrow(
      expect.objectContaining({ code: "CONFIG_BAD_VALUE", message: expect.stringMatching(message) }),
    );
  });

  test("an unknown key is refused with the nearest known one", () => {
    expect(() => load({ toml: table(`ecosystem = "deb"\nbase = []`) })).toThrow(
      expect.objectContaining({ code: "CONFIG_UNKNOWN_KEY", message: expect.stringContaining("did you mean bases?") }),
    );
  });
});
