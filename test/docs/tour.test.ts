import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test } from "../support/fixtures.ts";
import { larderEnvironment } from "../support/larder.ts";
import { mustRun } from "../support/programs.ts";
import { ROOT } from "./documents.ts";

const [SET_UP = "", TOUR = ""] = (await readFile(join(ROOT, "README.md"), "utf8")).split("## A tour of five minutes");

/** The lines of the `sh` blocks; those marked `console` want the internet, and are read by names.test.ts only. */
function shellLines(markdown: string): string[] {
  return [...markdown.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, body = ""]) => body.trimEnd().split("\n"));
}

describe("README.md", () => {
  test("sets up with exactly two commands", () => {
    expect(shellLines(SET_UP)).toHaveLength(2);
  });

  test("gives a tour whose commands work as printed, beside a running proxy", async ({ larder }) => {
    const script = ["set -e -o pipefail", "shopt -s expand_aliases", ...shellLines(TOUR)].join("\n");
    const env = { ...larderEnvironment(larder.folder), TMPDIR: larder.folder };
    const said = (await mustRun("bash", ["-c", script], { cwd: ROOT, env })).toString();
    expect(said).toContain(larder.url);
    expect(said).toMatch(/^maxBytes +20 ?GiB +/m);
    expect(said).toMatch(/^subject +/m);
  });
});
