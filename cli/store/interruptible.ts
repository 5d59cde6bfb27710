import { constants } from "node:os";
import { EXIT, SIGNAL_EXIT_BASE } from "../line/usage.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs work that the first signal asks to end after what it has begun; the second ends the process at once, which costs
 * no store anything either.
 * @returns the exit code: of the work, or of the signal if there was one
 */
export async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const patience = new AbortController();
  let interruptedBy: NodeJS.Signals | undefined;
  const interrupt = (signal: NodeJS.Signals) => {
    if (interruptedBy !== undefined) process.exit(SIGNAL_EXIT_BASE + constants.signals[signal]);
    interruptedBy = signal;
    patience.abort();
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    const exitCode = await work(patience.signal);
    return interruptedBy === undefined || exitCode !== EXIT.ok
      ? exitCode
      : SIGNAL_EXIT_BASE + constants.signals[interruptedBy];
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}
