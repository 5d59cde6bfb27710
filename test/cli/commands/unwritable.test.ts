import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test } from "../../support/fixtures.ts";
import { runLarder } from "../../support/larder.ts";

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
