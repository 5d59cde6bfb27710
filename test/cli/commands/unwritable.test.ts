import { access, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test } from "../../support/fixtures.ts";
import { larderEnvironment, PROGRAM, runLarder } from "../../support/larder.ts";
import { runProgram } from "../../support/programs.ts";

/** No file system of the kernel's own takes folders; this one answers ENOENT to the attempt, on which Node's own mkdir never ends. */
const NOWHERE = "/proc/larder/below";

describe("a folder that cannot be made", () => {
  const commands = [
    [["serve", "--listen", "127.0.0.1:0", "--root", NOWHERE], "STORE_UNWRITABLE"],
    [["serve", "--listen", "127.0.0.1:0", "--state", NOWHERE], "STORE_UNWRITABLE"],
    [["build", "--root", NOWHERE, "--", "podman", "build", "."], "STORE_UNWRITABLE"],
    [["resolve", "--once", "--state-dir", NOWHERE], "FILE_UNWRITABLE"],
    [["units", "print", "--out", NOWHERE], "FILE_UNWRITABLE"],
  ] as const;
  test.for(commands)("ends larder %j with %s", async ([command, code], { folder }) => {
    const { code: exitCode, stderr } = await runLarder(command, { folder });
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(`^larder: ${code}: .*${NOWHERE}`)]);
  });

  test("ends larder serve also where the CA was to be", async ({ folder }) => {
    const env = { XDG_CONFIG_HOME: NOWHERE };
    const { code, stderr } = await runLarder(["serve", "--listen", "127.0.0.1:0"], { folder, env });
    expect([code, stderr]).toEqual([1, expect.stringMatching(`^larder: CA_UNWRITABLE: .*${NOWHERE}`)]);
  });

  test("ends what writes beside a larder that runs", async ({ larder }) => {
    const seed = await larder.command("vm-args", "--cloud-init", NOWHERE);
    expect([seed.code, seed.stderr]).toEqual([1, expect.stringMatching(`^larder: FILE_UNWRITABLE: ${NOWHERE}`)]);
    const fragments = join(larder.folder, "cache/larder/env.d");
    await rm(fragments, { recursive: true });
    await writeFile(fragments, "in the way");
    const written = await larder.command("env", "write");
    expect([written.code, written.stderr]).toEqual([
      1,
      expect.stringMatching(`^larder: FILE_UNWRITABLE: ${fragments}`),
    ]);
    await rm(fragments);
  });
});

describe("a place that takes nothing", () => {
  test.for([
    ["a file", "file", /a file stands where a folder is to be/],
    ["a folder below a file", "file/below", /a file stands where a folder is to be/],
    ["too long a name", "n".repeat(300), /its path is too long/],
  ] as const)("is %s for the store: larder serve says so", async ([, root, reason], { folder }) => {
    await writeFile(join(folder, "file"), "in the way");
    const outcome = await runLarder(["serve", "--listen", "127.0.0.1:0", "--root", root], { folder });
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringMatching(/^larder: STORE_UNWRITABLE: /) });
    expect(outcome.stderr).toMatch(reason);
  });

  test.for([
    ["a TMPDIR that is gone", [], { TMPDIR: NOWHERE }, /TMPDIR/],
    ["a receipt in a folder that is gone", ["--receipt", "gone/receipt.json"], {}, /gone\/receipt\.json/],
    ["a receipt where a folder is", ["--receipt", "."], {}, /EISDIR/],
  ] as const)("with %s larder run says so before the command runs", async ([, options, env, reason], { folder }) => {
    const outcome = await runLarder(["run", ...options, "--", "touch", "ran"], { folder, env });
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringMatching(/^larder: FILE_UNWRITABLE: .*\n$/) });
    expect(outcome.stderr).toMatch(reason);
    await expect(access(join(folder, "ran"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  const onFullDisk = (folder: string, redirected: string, ...words: readonly string[]) =>
    runProgram("sh", ["-c", `exec "$@" ${redirected}`, "sh", process.execPath, PROGRAM, ...words], {
      cwd: folder,
      env: larderEnvironment(folder),
    });

  test.for<[words: string[]]>([[["config"]], [["config", "--json"]], [["--help"]]])(
    "for stdout fails larder %j in one line",
    async ([words], { folder }) => {
      const { code, stderr } = await onFullDisk(folder, ">/dev/full", ...words);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^larder: FILE_UNWRITABLE: stdout .*\n$/)]);
    },
  );

  test("for the receipt leaves a command its exit code", async ({ folder }) => {
    const full = await onFullDisk(folder, "", "run", "--receipt", "/dev/full", "--", "sh", "-c", "exit 3");
    expect([full.code, full.stderr]).toEqual([
      3,
      expect.stringMatching(/\nlarder: FILE_UNWRITABLE: \/dev\/full .*\n$/),
    ]);
    expect(await onFullDisk(folder, "2>/dev/full", "run", "--", "sh", "-c", "exit 3")).toMatchObject({ code: 3 });
  });
});
