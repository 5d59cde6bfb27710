import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { type LarderOptions, larderEnvironment, PROGRAM } from "../support/larder.ts";
import { cleanEnvironment } from "../support/programs.ts";

/** A `larder` process that a test watches and signals while it runs. */
export interface LarderProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Resolves when stdout has said this. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when stderr has. */
  logged(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves at the end of the process and of its output. */
  readonly ended: Promise<LarderEnd>;
}

export interface LarderEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Starts `larder` with everything it keeps in the folder. In a session of its own: a developer's terminal would otherwise be
 * the terminal of the process under test, too, and SIGINT is treated by where it comes from.
 */
export function startLarderProcess(
  args: readonly string[],
  { folder, env = {}, enter = [] }: Pick<LarderOptions, "folder" | "env" | "enter">,
): LarderProcess {
  const [program = "", ...words] = [...enter, process.execPath, PROGRAM, ...args];
  const child = spawn(program, words, {
    cwd: folder,
    env: cleanEnvironment(folder, { ...larderEnvironment(folder), ...env }),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const heard = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk: Buffer) => {
      heard[name] += chunk;
    });
  }
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...heard }));
  const hear = async (name: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(heard[name]);
      if (match !== null) return match;
      const more = await Promise.race([once(child[name], "data"), ended]);
      if (!Array.isArray(more)) throw new Error(`ended before it said ${pattern}: ${JSON.stringify(more)}`);
    }
  };
  return { child, ended, said: (pattern) => hear("stdout", pattern), logged: (pattern) => hear("stderr", pattern) };
}
