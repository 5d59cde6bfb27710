import { expect } from "vitest";
import { test } from "../support/fixtures.ts";
import { expectGitPasses } from "./git.ts";

const MIB = 1024 * 1024;

test("git pushes and clones 100 MiB over https, in little memory", { timeout: 600_000 }, async ({
  larder,
  caFile,
  folder,
  secureOrigin,
}) => {
  await expectGitPasses(secureOrigin, { bytes: 100 * MIB, folder, proxy: larder.url, caFile });
  expect(await larder.peakRssBytes()).toBeLessThan(200 * MIB);
});
