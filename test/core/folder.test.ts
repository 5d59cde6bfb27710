import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { makeFolder } from "../../core/folder.ts";
import { test } from "../support/fixtures.ts";

describe("making a folder", () => {
  test("makes the parents that it lacks, each with the mode that is asked for", ({ folder }) => {
    expect(makeFolder(join(folder, "a/b/c"), 0o700)).toBe(true);
    expect(["a", "a/b", "a/b/c"].map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual([
      0o700, 0o700, 0o700,
    ]);
  });

  test("leaves a folder that is there as it is, also behind a link", ({ folder }) => {
    mkdirSync(join(folder, "there"), { mode: 0o750 });
    symlinkSync("there", join(folder, "link"));
    expect([makeFolder(join(folder, "there"), 0o700), makeFolder(join(folder, "link"))]).toEqual([false, false]);
    expect(statSync(join(folder, "there")).mode & 0o777).toBe(0o750);
  });

  test("says what is wrong where a file stands in its place, or in a parent's", ({ folder }) => {
    writeFileSync(join(folder, "file"), "");
    symlinkSync("nowhere", join(folder, "dangling"));
    expect(() => makeFolder(join(folder, "file"))).toThrow(expect.objectContaining({ code: "EEXIST" }));
    expect(() => makeFolder(join(folder, "dangling"))).toThrow(expect.objectContaining({ code: "EEXIST" }));
    expect(() => makeFolder(join(folder, "file/below"))).toThrow(expect.objectContaining({ code: "ENOTDIR" }));
  });

  // Node's `recursive` spins there for ever.
  test("ends on a file system that takes no folders", () => {
    expect(() => makeFolder("/proc/larder/below/this")).toThrow(expect.objectContaining({ code: "ENOENT" }));
    expect(existsSync("/proc/larder")).toBe(false);
  });
});
