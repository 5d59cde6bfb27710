import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { LarderError, systemCode } from "../../core/errors.ts";
import { EXIT, SIGNAL_EXIT_BASE } from "../line/usage.ts";
import type { Environment } from "../settings/directories.ts";

const RELAYED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** What a terminal sends to every process of its foreground group by itself. */
const FROM_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(["SIGINT", "SIGQUIT"]);

/**
 * Holds the signals that would end this process and hands them to a child, from construction until `release`.
 * Ctrl-C reaches the child without us; handing it on would make it two, and two end npm or podman the hard way.
 */
export class SignalRelay {
  #child: ChildProcess | undefined;
  #received: NodeJS.Signals | undefined;
  readonly #relay = (signal: NodeJS.Signals): void => {
    this.#received ??= signal;
    if (this.#child === undefined) return;
    if (!FROM_TERMINAL.has(signal) || !isForeground()) this.#child.kill(signal);
  };

  constructor() {
    for (const signal of RELAYED) process.on(signal, this.#relay);
  }

  /** The first signal that came. Before there is a child it means that there is nothing to start any more. */
  get received(): NodeJS.Signals | undefined {
    return this.#received;
  }

  attach(child: ChildProcess): void {
    this.#child = child;
  }

  /** Signals do again what they do by default. */
  release(): void {
    for (const signal of RELAYED) process.off(signal, this.#relay);
  }
}

/**
 * Runs a command on our own stdin, stdout and stderr.
 * @returns its exit code, 128 + n when signal n ended it.
 * @throws LarderError `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`
 */
export async function runChild(command: readonly string[], env: Environment, signals: SignalRelay): Promise<number> {
  const [program = "", ...args] = command;
  if (signals.received !== undefined) return exitCodeOf(signals.received);
  const child = spawn(program, args, { stdio: "inherit", env });
  signals.attach(child);
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(startFailure(program, error)));
    child.once("exit", (exitCode, signal) => resolve(signal === null ? (exitCode ?? EXIT.fault) : exitCodeOf(signal)));
  });
}

/** As a shell tells of a command that a signal has ended. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return SIGNAL_EXIT_BASE + constants.signals[signal];
}

function startFailure(program: string, cause: Error): LarderError {
  switch (systemCode(cause)) {
    case "ENOENT":
      return new LarderError("COMMAND_NOT_FOUND", `${program}: no such command; is it installed and on PATH?`, {
        cause,
      });
    case "EACCES":
      return new LarderError(
        "COMMAND_NOT_EXECUTABLE",
        `${program}: not executable; chmod +x it, or name its interpreter`,
        {
          cause,
        },
      );
    default:
      return new LarderError("INTERNAL", `${program} could not be started: ${cause.message}`, { cause });
  }
}

/** Whether our process group is the one that a terminal's Ctrl-C goes to: fields 5 and 8 of proc_pid_stat(5). */
function isForeground(): boolean {
  const [, , group, , , foreground] = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return group === foreground;
}
