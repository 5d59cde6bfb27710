import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { renderService } from "../../clients/units/systemd.ts";
import { startLarderProcess } from "../cli/process.ts";
import { test } from "../support/fixtures.ts";
import { runLarder } from "../support/larder.ts";
import { mustRun, runProgram } from "../support/programs.ts";

/** What the module needs of nixpkgs, in the meaning that nixpkgs gives it; nixpkgs itself is no package of Debian. */
const EVALUATE = `
{ enable, dynamicResolution ? true, serverUrl ? null }:
let
  lib = {
    mkEnableOption = description: { inherit description; default = false; };
    mkOption = option: option;
    mkIf = condition: content: if condition then content else { };
    mkAfter = content: content;
    types = { bool = "bool"; str = "str"; package = "package"; nullOr = type: "null or " + type; };
  };
  config.services.larder-client = { inherit enable dynamicResolution serverUrl; package = "/nix/store/larder"; };
  module = import ./larder-client.nix { inherit config lib; pkgs.systemd = "/nix/store/systemd"; };
in
{ inherit (module) options config; }
`;

describe("larder units print", () => {
  test("gives units that systemd finds nothing wrong with", async ({ folder }) => {
    expect((await runLarder(["units", "print", "--out", folder], { folder })).code).toBe(0);
    expect(await readdir(folder)).toEqual(
      expect.arrayContaining(["larder-client.nix", "larder-resolve.service", "larder.service", "larder.socket"]),
    );
    for (const unit of ["larder.service", "larder.socket", "larder-resolve.service"]) {
      const { code, stderr } = await runProgram("systemd-analyze", ["verify", "--man=no", join(folder, unit)], {
        cwd: folder,
        env: { SYSTEMD_UNIT_PATH: `${folder}:` },
      });
      expect([unit, code, stderr]).toEqual([unit, 0, ""]);
    }
  });

  test.for(["larder.service", "larder-resolve.service"])(
    "leaves %s little to do harm with",
    async (unit, { folder }) => {
      await runLarder(["units", "print", "--out", folder], { folder });
      // Exposure times ten, as systemd-analyze counts it: 96 for a unit that says nothing, 24 for a root that is as confined as it can be.
      const call = ["security", "--offline=true", "--no-pager", "--threshold=24", join(folder, unit)];
      const { code, stdout } = await runProgram("systemd-analyze", call, { cwd: folder });
      expect([code, stdout.toString()]).toEqual([0, expect.stringMatching(/exposure level for \S+: [12]\.\d OK/)]);
    },
  );

  test("waits for no network before nix-daemon, and looks on for ever", async ({ folder }) => {
    const { stdout } = await runLarder(["units", "print", "larder-resolve.service"], { folder });
    const lines = stdout.toString().split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "Before=nix-daemon.service",
        "Wants=network-online.target",
        "TimeoutStartSec=10",
        "Restart=always",
        "StartLimitIntervalSec=0",
      ]),
    );
    expect(lines.filter((line) => line.startsWith("After="))).toEqual([]);
    expect(stdout.toString()).toMatch(
      /^ExecStart=.* resolve --watch --on-change "systemctl --no-block try-restart nix-daemon\.service"$/m,
    );
  });

  test("asks for no file that a fresh machine does not have", async ({ folder }) => {
    const { stdout } = await runLarder(["units", "print", "larder.service"], { folder });
    const lines = [...stdout.toString().matchAll(/^Environment=(\w+)=(.*)$/gm)];
    // As systemd fills in its specifiers, with a folder of the test in place of each.
    const own = lines.map(([, name = "", value = ""]) => [
      name,
      value.replace(/%(\w)/, (_, letter) => join(folder, letter)),
    ]);
    await Promise.all(["C", "E", "S", "t"].map((letter) => mkdir(join(folder, letter))));
    const { child, said, ended } = startLarderProcess(["serve", "--listen", "127.0.0.1:0"], {
      folder,
      env: Object.fromEntries(own),
    });
    await said(/^larder listening on /);
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
    expect(await readdir(join(folder, "S/larder/ca"))).toEqual(["ca.key", "ca.pem"]);
  });

  test("gives the proxy's dynamic user a home, which the system knows none for", async ({ folder }) => {
    const { stdout } = await runLarder(["units", "print", "larder.service"], { folder });
    expect(stdout.toString().split("\n")).toEqual(
      expect.arrayContaining(["DynamicUser=yes", "Environment=HOME=%S/larder"]),
    );
  });

  test("puts paths with spaces, quotes and percent signs into the command as they are", () => {
    const unit = renderService({ argv: ["/opt/no de/bin", '/srv/100%/"$x"/main.js'] });
    expect(unit).toContain('ExecStart="/opt/no de/bin" "/srv/100%%/\\"$$x\\"/main.js" serve\n');
  });

  test("gives a module that Nix evaluates: dynamic by default, with one address on request", async ({ folder }) => {
    const { stdout } = await runLarder(["units", "print", "larder-client.nix"], { folder });
    await writeFile(join(folder, "larder-client.nix"), stdout);
    await writeFile(join(folder, "evaluate.nix"), EVALUATE);
    const evaluate = async (...args: readonly string[]) => {
      const store = { NIX_STATE_DIR: join(folder, "nix"), NIX_STORE_DIR: join(folder, "store") };
      const call = ["--eval", "--strict", "--json", "evaluate.nix", "--arg", "enable", "true", ...args];
      return JSON.parse((await mustRun("nix-instantiate", call, { cwd: folder, env: store })).toString());
    };
    const dynamic = await evaluate();
    expect(dynamic.options.services["larder-client"].dynamicResolution.default).toBe(true);
    expect(dynamic.config.nix.extraOptions).toContain("!include /run/cache-resolver/nix.conf");
    expect(dynamic.config.systemd.services["larder-resolve"].before).toEqual(["nix-daemon.service"]);
    expect(dynamic.config.assertions.every((one: { assertion: boolean }) => one.assertion)).toBe(true);
    const url = ["--arg", "dynamicResolution", "false", "--argstr", "serverUrl", "http://cache.lan:3142/nix/"];
    const fixed = await evaluate(...url);
    expect(fixed.config.nix.settings["extra-substituters"]).toEqual(["http://cache.lan:3142/nix/"]);
    expect(fixed.config.systemd.services["larder-resolve"]).toEqual({});
    expect(JSON.stringify(fixed)).not.toMatch(/trusted|require-sigs/);
    expect((await readFile(join(folder, "larder-client.nix"), "utf8")).startsWith("# written by")).toBe(true);
  });

  test("refuses a unit that there is not", async ({ folder }) => {
    const { code, stderr } = await runLarder(["units", "print", "larder.timer"], { folder });
    expect(code).toBe(2);
    expect(stderr).toContain("there are larder.service");
  });
});
