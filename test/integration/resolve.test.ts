import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test } from "../support/fixtures.ts";
import { type Larder, runLarder } from "../support/larder.ts";

const NOWHERE = "127.0.0.1:1\n";

/** One look, with a name that nobody has, so that only what the test names is found. What is found ends it at once. */
async function look(folder: string, override: string, ...flags: readonly string[]) {
  await writeFile(join(folder, "override"), override);
  const places = ["--override-file", join(folder, "override"), "--state-dir", join(folder, "resolver")];
  const deadline = override === NOWHERE ? "2s" : "10s";
  const args = ["resolve", "--once", "--name", "nobody-has-this-name", "--deadline", deadline, ...places, ...flags];
  return runLarder(args, { folder });
}

const read = (folder: string, file: string) => readFile(join(folder, "resolver", file), "utf8");
const placeOf = (larder: Larder) => `127.0.0.1:${larder.port}\n`;

describe("larder resolve", () => {
  test("finds the cache that a file names, and writes where it is", async ({ larder, folder }) => {
    const { code, stdout } = await look(folder, placeOf(larder), "--explain");
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/^override +127\.0\.0\.1:\d+ +\d+ ms +larder/m);
    expect(await read(folder, "nobody-has-this-name-ip")).toBe("127.0.0.1\n");
    expect(await read(folder, "proxy.env")).toContain(`\nhttps_proxy=${larder.url}\n`);
    expect(await read(folder, "nix.conf")).toMatch(/^extra-substituters = .*https:\/\/cache\.nixos\.org\/$/m);
  });

  test("without a cache succeeds too, and the public ones stand in the files", async ({ folder }) => {
    const { code, stdout } = await look(folder, NOWHERE);
    expect(code).toBe(0);
    expect(stdout.toString()).toBe("no cache; the public ones serve\n");
    expect(await read(folder, "nobody-has-this-name-ip")).toBe("");
    expect(await read(folder, "nix.conf")).toContain("\nextra-substituters = https://cache.nixos.org/\n");
    expect(await read(folder, "nix.conf")).not.toMatch(/trusted|require-sigs/);
    expect(await read(folder, "proxy.env")).not.toContain("=");
  });

  test("runs a command when something has changed, and only then; nothing unfinished stays", async ({
    larder,
    folder,
  }) => {
    const onChange = ["--on-change", `echo changed >> '${join(folder, "changes")}'`];
    await look(folder, placeOf(larder), ...onChange);
    await look(folder, placeOf(larder), ...onChange);
    await larder.stop();
    await look(folder, NOWHERE, ...onChange);
    expect(await readFile(join(folder, "changes"), "utf8")).toBe("changed\nchanged\n");
    expect((await readdir(join(folder, "resolver"))).sort()).toEqual([
      "nix.conf",
      "nobody-has-this-name-ip",
      "nobody-has-this-name-last",
      "proxy.env",
    ]);
  });

  const refused = [
    [[], "say --once or --watch"],
    [["--once", "--watch"], "say --once or --watch"],
    [["--once", "--deadline", "11s"], "ten seconds at most"],
    [["--once", "--name", "a/b"], "letters, digits and - only"],
  ] as const;
  test.for(refused)("refuses %j", async ([flags, said], { folder }) => {
    const { code, stderr } = await runLarder(["resolve", ...flags], { folder });
    expect(code).toBe(2);
    expect(stderr.toString()).toContain(said);
  });
});
