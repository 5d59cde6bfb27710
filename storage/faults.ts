import { LarderError, systemCode } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

interface Fault {
  readonly cause: string;
  readonly cure: string;
}

const FULL: Fault = { cause: "the disk is full", cure: "free space there, or lower --max-bytes" };
const READ_ONLY: Fault = {
  cause: "it may not be written",
  cure: "make the folder writable for this user, or choose another one with --root or --state",
};
const IN_THE_WAY: Fault = {
  cause: "a file stands where a folder is to be",
  cure: "move it aside, or choose another folder with --root or --state",
};
const TOO_LONG: Fault = { cause: "its path is too long", cure: "choose a shorter one with --root or --state" };
const DAMAGED_DISK: Fault = { cause: "the disk reports an error", cure: "see the kernel's log" };
const DESCRIPTORS: Fault = { cause: "file descriptors ran out", cure: "raise the limit: ulimit -n" };

/** What a system's or SQLite's code says about a store that cannot be written. */
const FAULTS: Readonly<Record<string, Fault>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  SQLITE_FULL: FULL,
  EROFS: READ_ONLY,
  EACCES: READ_ONLY,
  EPERM: READ_ONLY,
  SQLITE_READONLY: READ_ONLY,
  SQLITE_CANTOPEN: READ_ONLY,
  EEXIST: IN_THE_WAY,
  ENOTDIR: IN_THE_WAY,
  ENAMETOOLONG: TOO_LONG,
  EIO: DAMAGED_DISK,
  SQLITE_IOERR: DAMAGED_DISK,
  EMFILE: DESCRIPTORS,
  ENFILE: DESCRIPTORS,
};

/** The `STORE_UNWRITABLE` error for what the system said, with its cause and cure; a LarderError passes as it is. */
export function unwritable(what: string, cause: unknown): LarderError {
  if (cause instanceof LarderError) return cause;
  const code = systemCode(cause);
  const fault = code === undefined ? undefined : faultOf(code);
  const message =
    fault === undefined
      ? `${what} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`
      : `${what} cannot be written: ${fault.cause} (${code}); ${fault.cure}`;
  return new LarderError("STORE_UNWRITABLE", message, { details: { reason: code }, cause });
}

/** SQLite's extended codes (`SQLITE_IOERR_WRITE`) begin with the primary one. */
function faultOf(code: string): Fault | undefined {
  return FAULTS[code] ?? FAULTS[code.split("_").slice(0, 2).join("_")];
}

/** What can go wrong behind a download; each is logged once until it works again. */
export type FaultKind = "index" | "declarations" | "copy" | "checkpoint" | "staging" | "sync" | "blob" | "ledger";

/** A fault of the store never fails a download: it is logged once here, until that kind of work succeeds again. */
export class FaultLog {
  readonly #log: Log;
  readonly #reported = new Set<FaultKind>();

  constructor(log: Log) {
    this.#log = log;
  }

  report(kind: FaultKind, error: unknown): void {
    if (this.#reported.has(kind)) return;
    this.#reported.add(kind);
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof LarderError ? error.code : systemCode(error);
    this.#log.error({ fault: kind, code, error: message }, "the store has a fault; downloads go on without it");
  }

  recovered(kind: FaultKind): void {
    if (this.#reported.delete(kind)) this.#log.info({ fault: kind }, "the store works again");
  }
}
