import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** proc_pid_stat(5) counts in 1/100 s on every architecture that Debian has. */
const TICKS_PER_SECOND = 100;
const QUIET_MS = 1_000;
const QUIET_POLLS = 10;

interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly cpuSeconds: number;
}

/** User and system time so far of a process, its children, alive or waited for, and theirs. */
export function cpuSecondsOf(pid: number): number {
  return treeOf(pid).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}

/** The sum of the most memory each process of the tree has held; pages they share are counted for each. */
export function peakRssBytesOf(pid: number): number {
  return treeOf(pid).reduce((sum, facts) => sum + peakRssBytesOfOne(facts.pid), 0);
}

/**
 * Waits until the tree has been without work for a second (ten at most): stores go on writing after the last answer.
 */
export async function untilQuiet(pid: number): Promise<void> {
  let before = cpuSecondsOf(pid);
  for (let poll = 0; poll < QUIET_POLLS; poll += 1) {
    await delay(QUIET_MS);
    const now = cpuSecondsOf(pid);
    if (now - before <= 1 / TICKS_PER_SECOND) return;
    before = now;
  }
}

function treeOf(pid: number): ProcessFacts[] {
  const all = readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? readFacts(Number(name)) : []));
  const tree = all.filter((facts) => facts.pid === pid);
  for (const { pid: parent } of tree) tree.push(...all.filter((facts) => facts.parent === parent));
  return tree;
}

/** @returns an empty list when the process has just ended. */
function readFacts(pid: number): ProcessFacts[] {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === undefined) return [];
  // The name in brackets may hold anything; from field 3 on there are only letters and numbers.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [utime, stime, cutime, cstime] = fields.slice(11, 15).map(Number) as [number, number, number, number];
  return [{ pid, parent: Number(fields[1]), cpuSeconds: (utime + stime + cutime + cstime) / TICKS_PER_SECOND }];
}

function peakRssBytesOfOne(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readIfThere(`/proc/${pid}/status`) ?? "")?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
