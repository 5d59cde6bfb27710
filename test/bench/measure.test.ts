import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { cpuSecondsOf, peakRssBytesOf } from "../../bench/measure.ts";

/** What a node process does until it has spent this much of its own time. */
const BURN = "while (process.cpuUsage().user + process.cpuUsage().system < 200_000);";

/** Says that the work is done, and stays to be looked at. */
const STAY = "console.log('done'); setInterval(() => undefined, 1e6);";

/** Runs a script until it says something; `look` then looks at it, and it is ended. */
async function whileRunning<T>(script: string, look: (pid: number) => T): Promise<T> {
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  try {
    return look(child.pid ?? 0);
  } finally {
    child.kill();
    await once(child, "exit");
  }
}

test("the time of a process is counted", async () => {
  expect(await whileRunning(`${BURN} ${STAY}`, cpuSecondsOf)).toBeGreaterThan(0.15);
});

test("the time of a child that has ended is counted", async () => {
  const script = `require("child_process").execFileSync(process.execPath, ["-e", ${JSON.stringify(BURN)}]); ${STAY}`;
  expect(await whileRunning(script, cpuSecondsOf)).toBeGreaterThan(0.15);
});

test("the time and memory of a child that is running are counted", async () => {
  const work = `const held = Buffer.alloc(300e6, 1); ${BURN} ${STAY}`;
  const script = `
    const child = require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(work)}]);
    child.stdout.pipe(process.stdout);
    process.once("SIGTERM", () => child.kill());
    child.once("exit", () => process.exit());`;
  const [seconds, bytes] = await whileRunning(script, (pid) => [cpuSecondsOf(pid), peakRssBytesOf(pid)] as const);
  expect(seconds).toBeGreaterThan(0.15);
  expect(bytes).toBeGreaterThan(300e6);
});

test("a process that is gone has spent nothing", () => {
  expect(cpuSecondsOf(2 ** 30)).toBe(0);
});
