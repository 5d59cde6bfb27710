import { readFileSync } from "node:fs";

/** Descriptors that are kept for origins, blobs, staging and the databases, where there are enough. */
const KEPT_DESCRIPTORS = 256;

/**
 * How many clients may be connected at once, by the limit of file descriptors (`ulimit -n`): who came beyond it would
 * wait without a word, and nobody who is connected could be served either.
 */
export function connectionLimit(): number {
  const limit = /^Max open files +(\d+) /m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
  const descriptors = limit === undefined ? Number.MAX_SAFE_INTEGER : Number(limit);
  return descriptors - Math.min(KEPT_DESCRIPTORS, Math.floor(descriptors / 2));
}
