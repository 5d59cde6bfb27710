import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import suites from "http-cache-tests/tests/index.mjs";
import { judgeResults, type RawResults, type Result } from "./results.ts";
import type { SuiteOrder } from "./suite.ts";

const SUITE = fileURLToPath(import.meta.resolve("./suite.ts"));

export interface RunOptions {
  /** Ids of tests that are known not to pass. */
  readonly expectedFailures?: readonly string[];
  /** Takes what the suite itself says. */
  readonly tell?: (text: string) => void;
}

/**
 * Runs the suite against the proxy, in a process of its own. Its tests wait for lifetimes of two seconds to pass, and a busy
 * machine makes some of them miss: what fails unexpectedly is run once more, and that counts.
 */
export async function runSuite(order: SuiteOrder, options: RunOptions = {}): Promise<readonly Result[]> {
  const { expectedFailures = [] } = options;
  const raw = await runOnce(order, options);
  const failed = judgeResults(suites, raw)
    .filter(({ id, kind, outcome }) => outcome === "failed" && kind !== "check" && !expectedFailures.includes(id))
    .map(({ id }) => id);
  const again = failed.length === 0 ? {} : await runOnce({ ...order, only: failed }, options);
  return judgeResults(suites, { ...raw, ...again });
}

async function runOnce(order: SuiteOrder, { tell }: RunOptions): Promise<RawResults> {
  const args = ["--import", import.meta.resolve("tsx"), SUITE, JSON.stringify(order)];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 });
  const lines = stdout.trimEnd().split("\n");
  const raw = JSON.parse(lines.pop() ?? "") as RawResults;
  tell?.([...lines, stderr].join("\n"));
  return raw;
}
