import { readFileSync } from "node:fs";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { pathToFileURL } from "node:url";
import { answerParent } from "./serve.ts";

/** What was seen of a main thread. */
export interface Turns {
  /** By monitorEventLoopDelay, less its resolution. */
  readonly longestDelayMs: number;
  /** Of CPU between two ticks: the longest turn took that at most. */
  readonly longestBusyMs: number;
  /** Runnable without a core, between two ticks: what the machine adds to the delay. */
  readonly longestWaitMs: number;
  /** At work between two ticks, but neither on a core nor waiting for one: it stood in a system call, for a disk or a lock. */
  readonly longestBlockedMs: number;
}

/**
 * Runs another node program in this process, and watches its main thread: "begin" forgets what was seen before, "end" is
 * answered with it. The program's file and arguments are this one's arguments.
 */
const TICK_MS = 5;
const NS_PER_MS = 1e6;

interface Schedule {
  readonly busyNs: number;
  readonly waitNs: number;
  /** How long the event loop was not waiting for events. */
  readonly activeNs: number;
}

const delays = monitorEventLoopDelay({ resolution: TICK_MS });
let longestBusyNs = 0;
let longestWaitNs = 0;
let longestBlockedNs = 0;
let before = schedule();

/** CPU time of the main thread, and how long it was runnable without a core, so far: proc(5) calls it schedstat. */
function schedule(): Schedule {
  const [busyNs = 0, waitNs = 0] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8")
    .split(" ")
    .map(Number);
  return { busyNs, waitNs, activeNs: performance.eventLoopUtilization().active * NS_PER_MS };
}

function tick(): void {
  const now = schedule();
  longestBusyNs = Math.max(longestBusyNs, now.busyNs - before.busyNs);
  longestWaitNs = Math.max(longestWaitNs, now.waitNs - before.waitNs);
  const onCoreNs = now.busyNs - before.busyNs + now.waitNs - before.waitNs;
  longestBlockedNs = Math.max(longestBlockedNs, now.activeNs - before.activeNs - onCoreNs);
  before = now;
}

function begin(): "begun" {
  before = schedule();
  [longestBusyNs, longestWaitNs, longestBlockedNs] = [0, 0, 0];
  delays.reset();
  return "begun";
}

function end(): Turns {
  tick();
  return {
    longestDelayMs: Math.max(0, delays.max / NS_PER_MS - TICK_MS),
    longestBusyMs: longestBusyNs / NS_PER_MS,
    longestWaitMs: longestWaitNs / NS_PER_MS,
    longestBlockedMs: longestBlockedNs / NS_PER_MS,
  };
}

answerParent<"begin" | "end", Turns | "begun">((message) => (message === "begin" ? begin() : end()));
// The program ends when it has nothing more to do, not when nobody asks any more.
process.channel?.unref();
setInterval(tick, TICK_MS).unref();
delays.enable();
const [file = "", ...args] = process.argv.slice(2);
process.argv = [process.execPath, file, ...args];
await import(pathToFileURL(file).href);
