import { availableParallelism } from "node:os";
import { configDefaults, defineConfig } from "vitest/config";

/** `npm run test:long` runs these, `npm test` all others. Nothing is ever marked as skipped. */
const LONG = "test/**/*.long.test.ts";
const isLong = process.env["LARDER_TEST_LONG"] === "1";

export default defineConfig({
  test: {
    include: isLong ? [LONG] : ["test/**/*.test.ts"],
    exclude: isLong ? configDefaults.exclude : [...configDefaults.exclude, LONG],
    pool: "forks",
    // Most tests wait for a program or a disk: one file at a time, which two cores get by default, leaves them idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: "test/support/run-folder.ts",
    // Real clients on a busy machine: CI gives a test that failed one more try, and reports that it did.
    retry: process.env["CI"] === undefined ? 0 : 1,
    // What a quiet machine does in ten seconds takes a busy one two minutes; no test is there to tell times.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // What a test waits for comes when the machine gets to it; vitest's own second is too short for a busy one.
    expect: { poll: { timeout: 60_000 } },
  },
});
