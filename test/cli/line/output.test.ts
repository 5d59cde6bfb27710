import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatBytes, tabulate } from "../../../cli/line/output.ts";
import { automaticMaxBytes } from "../../../cli/settings/capacity.ts";
import { nearestOf } from "../../../cli/settings/nearest.ts";

describe("what a person reads", () => {
  test.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536 * 1024, "1.5 MiB"],
    [50 * 2 ** 30, "50.0 GiB"],
    [5000 * 2 ** 40, "5000.0 TiB"],
  ])("%d bytes are %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test("columns line up, and nothing trails", () => {
    expect(
      tabulate([
        ["a", "bb", "c"],
        ["aaa", "", ""],
      ]),
    ).toEqual(["a    bb  c", "aaa"]);
  });
});

describe("the word that was meant", () => {
  const words = ["maxBytes", "root", "rootFreshFor", "logLevel"];
  test.each([
    ["maxbytes", "maxBytes"],
    ["max-bytes", "maxBytes"],
    ["roots", "root"],
    ["logLvl", "logLevel"],
    ["host", undefined],
    ["colour", undefined],
  ])("of %s is %s", (word, meant) => {
    expect(nearestOf(word, words)).toBe(meant);
  });
});

describe("the limit of a store whose user set none", () => {
  test("is known before its folder exists", async () => {
    expect(await automaticMaxBytes(join(tmpdir(), "larder-none/such"), 0)).toBeGreaterThan(0);
  });

  test("counts what the store holds as free, and ends at 50 GiB", async () => {
    expect(await automaticMaxBytes(tmpdir(), 2 ** 50)).toBe(50 * 2 ** 30);
  });
});
