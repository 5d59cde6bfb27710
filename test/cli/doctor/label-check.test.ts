import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { checkLabels } from "../../../cli/doctor/label-check.ts";
import { test as base } from "../../support/fixtures.ts";

/** A store whose trust files have real labels: a file system keeps them, whether the kernel decides by them or not. */
const test = base.extend("labelled", ({ folder }) => async (label: string, fileLabel: string) => {
  const file = join(folder, "trust/ca.pem");
  await mkdir(join(folder, "trust"));
  await writeFile(file, "");
  if (label !== "") execFileSync("chcon", [label, join(folder, "trust")]);
  if (fileLabel !== "") execFileSync("chcon", [fileLabel, file]);
  return checkLabels(folder, process.env, "/proc/self/status");
});

const SHARED = "system_u:object_r:container_file_t:s0";

describe("the check of SELinux labels", () => {
  test("is content with what every container may read", async ({ labelled, folder }) => {
    expect(await labelled(SHARED, SHARED)).toEqual({
      check: "SELinux",
      outcome: "good",
      says: `containers may read ${folder}/trust`,
    });
  });

  test.for([
    [
      "a folder that is a user's",
      "unconfined_u:object_r:cache_home_t:s0",
      SHARED,
      /trust is labelled \S+cache_home_t:s0/,
    ],
    ["a file of one container alone", SHARED, `${SHARED}:c1,c2`, /ca\.pem is labelled \S+:s0:c1,c2/],
    ["a file without a label", SHARED, "", /ca\.pem is labelled in no way/],
  ] as const)("finds %s, and says how to mend it", async ([, label, fileLabel, says], { labelled }) => {
    expect(await labelled(label, fileLabel)).toMatchObject({
      outcome: "note",
      says: expect.stringMatching(says),
      cure: expect.stringContaining("chcon"),
    });
  });

  test("looks at nothing where SELinux is off", async ({ folder }) => {
    const found = await checkLabels(folder, process.env, join(folder, "no-switch"));
    expect(found).toMatchObject({ outcome: "note", says: expect.stringContaining("off") });
  });
});
