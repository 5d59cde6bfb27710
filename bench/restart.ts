import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { copyIndex } from "../storage/index-copy/copy-index.ts";
import { type Layout, layoutOf } from "../storage/layout.ts";
import { fillQuickly } from "../test/storage/fill-quickly.ts";
import { larderEnvironment } from "../test/support/larder.ts";
import { describeMachine } from "./machine.ts";
import { Workbench } from "./workbench.ts";

/** `npm run bench:restart`: how long a larder with 100,000 entries takes from its start until its port has answered. */
const PROGRAM = resolve(import.meta.dirname, "../dist/cli/main.js");
const ENTRIES = 100_000;
const WANTED_SECONDS = 1;
const ROUNDS = 5;
const ANNOUNCEMENT = /^larder listening on (http:\/\/127\.0\.0\.1:\d+)$/;

/** Starts it, asks its port, and ends it. @returns seconds until it answered */
async function restart(folder: string, end: "SIGTERM" | "SIGKILL"): Promise<number> {
  const env = { ...process.env, ...larderEnvironment(folder) };
  const startedMs = performance.now();
  const child = spawn(
    process.execPath,
    [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--max-bytes", "10GiB", "--log-level", "error"],
    {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const exited = once(child, "exit");
  const url = await new Promise<string>((announced, failed) => {
    exited.then(([code]) => failed(new Error(`larder serve ended with ${code}`)), failed);
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, url] = ANNOUNCEMENT.exec(line) ?? [];
      if (url !== undefined) announced(url);
    });
  });
  await (await fetch(`${url}/`)).text();
  const seconds = (performance.now() - startedMs) / 1000;
  child.kill(end);
  await exited;
  return seconds;
}

/** @returns the median, and all of them in order */
async function measure(folder: string, prepare: () => Promise<void>, end: "SIGTERM" | "SIGKILL"): Promise<number[]> {
  const seconds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await prepare();
    seconds.push(await restart(folder, end));
  }
  return seconds.sort((one, other) => one - other);
}

function say(what: string, seconds: readonly number[]): void {
  const median = seconds[Math.floor(seconds.length / 2)] ?? Number.NaN;
  console.log(`  ${median.toFixed(2)} s (${seconds.map((one) => one.toFixed(2)).join(", ")})  ${what}`);
}

async function loseIndex({ indexFile }: Layout): Promise<void> {
  for (const companion of ["", "-wal", "-shm"]) await rm(indexFile + companion, { force: true });
}

const workbench = await Workbench.open();
try {
  const { processor, cores, kernel, node } = describeMachine();
  console.log(`${processor}, ${cores} cores, ${kernel}, node ${node}; wanted: ${WANTED_SECONDS} s`);
  const empty = await workbench.makeFolder("empty");
  const full = await workbench.makeFolder("full");
  const layout = layoutOf(join(full, "cache/larder"));
  await fillQuickly(layout.rootDir, ENTRIES);
  const nothing = () => Promise.resolve();
  await restart(empty, "SIGTERM");
  say("an empty store", await measure(empty, nothing, "SIGTERM"));
  say(`${ENTRIES} entries`, await measure(full, nothing, "SIGTERM"));
  await restart(full, "SIGKILL");
  say("the same after kill -9", await measure(full, nothing, "SIGKILL"));
  const startedMs = performance.now();
  copyIndex({ rootDir: layout.rootDir, atMs: Date.now() });
  const copyMs = performance.now() - startedMs;
  say("the same with its index deleted, from the copy", await measure(full, () => loseIndex(layout), "SIGKILL"));
  const mib = (await stat(layout.indexCopyFile)).size / 2 ** 20;
  console.log(`  ${(copyMs / 1000).toFixed(2)} s  the copy itself (${mib.toFixed(0)} MiB), in a thread of its own`);
} finally {
  await workbench.close();
}
