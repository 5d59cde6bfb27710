import type { CommanderError } from "commander";
import { LarderError, toLarderError } from "../../core/errors.ts";

/** Exit codes: sysexits are too many to remember; these are what scripts test for, the last two as shells have them. */
export const EXIT = { ok: 0, fault: 1, usage: 2, notExecutable: 126, notFound: 127 } as const;

/** The exit code of a process ended by a signal, as shells report it. */
export const SIGNAL_EXIT_BASE = 128;

/** Turns what commander says over several lines into one sentence with a cure. */
export function usageError(error: CommanderError, commandPath: string): LarderError {
  const sentence = error.message
    .replace(/^error: /, "")
    .replace(/\n\(Did you mean (.*)\?\)$/s, "; did you mean $1?")
    .replaceAll("\n", " ")
    .replace(/\.$/, "");
  const separator = sentence.endsWith("?") ? " See" : "; see";
  return new LarderError("USAGE", `${sentence}${separator} ${commandPath} --help`, { cause: error });
}

/** What a failed command tells its user: one line, and the exit code. */
export function describeFailure(error: unknown): { readonly line: string; readonly exitCode: number } {
  const failure = toLarderError(error);
  return { line: `${failure.code}: ${failure.message.replaceAll("\n", " ")}`, exitCode: exitCodeOf(failure) };
}

function exitCodeOf({ code, source }: LarderError): number {
  switch (code) {
    case "USAGE":
    case "CONFIG_BAD_VALUE":
    case "CONFIG_UNKNOWN_KEY":
      return EXIT.usage;
    case "COMMAND_NOT_EXECUTABLE":
      return EXIT.notExecutable;
    case "COMMAND_NOT_FOUND":
      return EXIT.notFound;
    default:
      // The client of a command line is its user: a URL that is none is wrong usage.
      return source === "client" ? EXIT.usage : EXIT.fault;
  }
}
