import type { Quarantine, TakenRootLog, UnprovenAnswers } from "../declarations.ts";
import type { FaultLog } from "../faults.ts";

/** Does the work, or gives the fallback when the disk fails. */
export type Guard = <T, F>(fallback: F, work: () => T) => T | F;

/** A fault of the disk ends no exchange: it is logged, and the fallback goes on. */
export function guardWith(faults: FaultLog): Guard {
  return (fallback, work) => {
    try {
      const result = work();
      faults.recovered("declarations");
      return result;
    } catch (error) {
      faults.report("declarations", error);
      return fallback;
    }
  };
}

export function guardQuarantine(table: Quarantine, or: Guard): Quarantine {
  return {
    add: (base, path, nowMs) => or(nowMs, () => table.add(base, path, nowMs)),
    until: (base, path, nowMs) => or(undefined, () => table.until(base, path, nowMs)),
    lastWrongMs: (base, path) => or(undefined, () => table.lastWrongMs(base, path)),
    clear: (base, path) => or(undefined, () => table.clear(base, path)),
  };
}

/** What the disk does not take is kept in memory: nothing that is unproven may be forgotten. */
export function guardUnproven(table: UnprovenAnswers, or: Guard): UnprovenAnswers {
  const unwritten = new Set<string>();
  return {
    note: (key, place, times) => {
      const isNew = or(undefined, () => table.note(key, place, times));
      if (isNew === undefined) unwritten.add(key);
      return isNew ?? false;
    },
    has: (key, nowMs) => unwritten.has(key) || or(true, () => table.has(key, nowMs)),
    clear: (key, place) => or(undefined, () => table.clear(key, place)),
  };
}

export function guardTakenRoots(table: TakenRootLog, or: Guard): TakenRootLog {
  return {
    note: (taken, nowMs) => or(undefined, () => table.note(taken, nowMs)),
    all: (nowMs) => or([], () => table.all(nowMs)),
  };
}
