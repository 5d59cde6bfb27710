import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { QuickDisk } from "../../../storage/blobs/quick-disk.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-quick-disk-"));
});
afterEach(() => rm(folder, { recursive: true }));

const places = () => ({
  draftPath: join(folder, "staging", "1-1"),
  path: join(folder, "blobs", "ab", "ab12"),
  mode: 0o444,
});

describe("a small file written at once", () => {
  test("lies under its name, read-only, with no draft left, and the folders are made", async () => {
    new QuickDisk().write(Buffer.from("body"), places());
    expect(await readFile(places().path, "utf8")).toBe("body");
    expect((await stat(places().path)).mode & 0o777).toBe(0o444);
    expect(await readdir(join(folder, "staging"))).toEqual([]);
  });

  test("takes the place of whatever lay there", async () => {
    await mkdir(join(folder, "blobs", "ab"), { recursive: true });
    await writeFile(places().path, "an older and longer body");
    new QuickDisk().write(Buffer.alloc(0), places());
    expect(await readFile(places().path, "utf8")).toBe("");
  });

  test("that cannot get its name leaves no draft, and tells what the system said", async () => {
    await mkdir(join(places().path, "in-the-way"), { recursive: true });
    expect(() => new QuickDisk().write(Buffer.from("body"), places())).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(await readdir(join(folder, "staging"))).toEqual([]);
  });
});

describe("a disk that makes the process wait", () => {
  test("is left alone for a second, and then used again", () => {
    let nowMs = 0;
    let stepMs = 30;
    const disk = new QuickDisk(() => {
      nowMs += stepMs;
      return nowMs;
    });
    disk.write(Buffer.from("body"), places());
    stepMs = 0;
    expect(disk.isResting).toBe(true);
    nowMs += 1_000;
    expect(disk.isResting).toBe(false);
    disk.write(Buffer.from("body"), places());
    expect(disk.isResting).toBe(false);
  });
});
