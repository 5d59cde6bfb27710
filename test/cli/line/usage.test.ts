import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test } from "../../support/fixtures.ts";
import { larderEnvironment, PROGRAM, runLarder } from "../../support/larder.ts";
import { cleanEnvironment } from "../../support/programs.ts";

const PACKAGE_VERSION = /^\d+\.\d+\.\d+\n$/;

describe("larder, used wrongly, exits with 2 and says in one line what and how", () => {
  test.for<[args: string[], line: RegExp]>([
    [[], /name a command: serve, run, .*; see larder --help/],
    [["serv"], /unknown command 'serv'; did you mean serve\? See larder --help/],
    [["fetch"], /unknown command 'fetch'; see larder --help/],
    [["serve", "--roto", "x"], /unknown option '--roto'; did you mean --root\? See larder serve --help/],
    [["serve", "--root"], /option '--root <path>' argument missing; see larder serve --help/],
    [["serve", "now"], /too many arguments for 'serve'.*; see larder serve --help/],
    [["serve", "--max-bytes", "lots"], /maxBytes \(--max-bytes\) is "lots"; allowed: auto, or a size/],
    [["run"], /missing required argument 'command'; see larder run --help/],
    [["store"], /name a command: du, ls, gc, pin, unpin, verify, rebuild, purge; see larder store --help/],
    [["store", "sl"], /unknown command 'sl'; did you mean ls\? See larder store --help/],
    [["store", "ls", "--limit", "few"], /--limit is "few"; allowed: a whole number above zero/],
    [["proxy-env", "--format", "csh"], /--format is "csh"; allowed: env, sh, fish/],
    [["proxy-env", "--for", "fe80::1%eth0"], /--for is "fe80::1%eth0"; allowed: host, container, vm/],
    [["env"], /name a command: write, remove; see larder env --help/],
    [["why"], /missing required argument 'url'; see larder why --help/],
    [["why", "left-pad"], /not an absolute http or https URI/],
  ])("larder %j", async ([args, line], { folder }) => {
    const outcome = await runLarder(args, { folder });
    expect(outcome).toMatchObject({ code: 2, stdout: Buffer.alloc(0) });
    expect(outcome.stderr).toMatch(line);
    expect(outcome.stderr).toMatch(/^larder: [A-Z_]+: .+\n$/);
  });
});

describe("larder --help", () => {
  test.for([
    ["serve"],
    ["run"],
    ["proxy-env"],
    ["env", "write"],
    ["doctor"],
    ["config"],
    ["status"],
    ["store", "ls"],
    ["why"],
    ["ca", "show"],
  ])("is there for %j, with examples, and exits with 0", async (command, { folder }) => {
    const outcome = await runLarder([...command, "--help"], { folder });
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(outcome.stdout.toString()).toMatch(new RegExp(`^Usage: larder ${command.join(" ")} [\\s\\S]*\nExamples:\n`));
  });

  test("--version prints the version alone", async ({ folder }) => {
    const outcome = await runLarder(["--version"], { folder });
    expect(outcome.code).toBe(0);
    expect(outcome.stdout.toString()).toMatch(PACKAGE_VERSION);
  });
});

describe("larder help", () => {
  test.for([
    [
      ["help", "store", "gc"],
      ["store", "gc", "--help"],
    ],
    [["help"], ["--help"]],
    [["version"], ["--version"]],
  ] as const)("%j is %j", async ([words, options], { folder }) => {
    const said = await runLarder(words, { folder });
    expect(said).toEqual(await runLarder(options, { folder }));
    expect(said.code).toBe(0);
  });

  test("breaks its texts where the terminal ends, not where their source does", async ({ folder }) => {
    const { stdout } = await runLarder(["serve", "--help"], { folder });
    expect(stdout.toString()).toMatch(/Sockets that systemd hands over\n?/);
    expect(stdout.toString()).toMatch(/\nSettings, .*:\n {2}--config <path>/);
  });
});

describe("larder config", () => {
  test("prints each setting, its value and where it came from", async ({ folder }) => {
    await mkdir(join(folder, "config/larder"), { recursive: true });
    await writeFile(join(folder, "config/larder/larder.toml"), 'rootFreshFor = "1m"\n');
    const env = { LARDER_LOG_LEVEL: "warn" };
    const outcome = await runLarder(["config", "--root", "./cache"], { folder, env });
    const lines = outcome.stdout.toString().split("\n");
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^root +${folder}/cache +flag --root$`)));
    expect(lines).toContainEqual(expect.stringMatching(/^logLevel +warn +environment LARDER_LOG_LEVEL$/));
    expect(lines).toContainEqual(expect.stringMatching(/^rootFreshFor +1m +file .*\/larder\.toml$/));
    expect(lines).toContainEqual(expect.stringMatching(/^connectTimeout +5s +default$/));
  });

  test("--json gives values in their units", async ({ folder }) => {
    const outcome = await runLarder(["config", "--json", "--max-bytes", "1KiB"], { folder });
    expect(JSON.parse(outcome.stdout.toString())).toMatchObject({
      maxBytes: { value: 1024, from: "flag", name: "--max-bytes" },
      connectTimeout: { value: 5000, from: "default" },
      listen: {
        value: [
          { host: "127.0.0.1", port: 3142 },
          { host: "::1", port: 3142 },
        ],
      },
    });
  });
});

describe("faults exit with 1 and one line", () => {
  test.for<[args: string[], line: RegExp]>([
    [["env", "write"], /^larder: NOT_RUNNING: no larder serves .*; start one with `larder serve`\n$/],
    [["status"], /^larder: NOT_RUNNING: no larder serves .*; start one with `larder serve`\n$/],
    [["store", "du"], /^larder: STORE_UNREADABLE: there is no store in .*\n$/],
    [["ca", "show"], /^larder: CA_UNREADABLE: .*\n$/],
    [["config", "--config", "gone.toml"], /^larder: CONFIG_UNREADABLE: .*gone\.toml cannot be read \(ENOENT\); .*\n$/],
  ])("larder %j", async ([args, line], { folder }) => {
    const outcome = await runLarder(args, { folder });
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringMatching(line) });
  });

  test("larder status --json says so on stdout as well", async ({ folder }) => {
    const outcome = await runLarder(["status", "--json"], { folder });
    expect(outcome.code).toBe(1);
    expect(JSON.parse(outcome.stdout.toString())).toEqual({ running: false, root: join(folder, "cache/larder") });
  });
});

test("a reader that leaves early ends larder quietly", async ({ folder }) => {
  const child = spawn(process.execPath, [PROGRAM, "config"], {
    cwd: folder,
    env: cleanEnvironment(folder, larderEnvironment(folder)),
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});
