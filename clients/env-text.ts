import { LarderError } from "../core/errors.ts";
import type { Variables } from "./environment.ts";

const ASSIGNMENT = /^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/;
/** Pieces of a POSIX word that mean themselves: in single quotes, in double quotes, escaped, or plain. */
const PIECE = /'([^']*)'|"((?:[^"\\$`]|\\.)*)"|\\(.)|([^\s'"\\$`;&|<>()#*?]+|(?<=.)[#*?])/sy;

/**
 * Reads env fragments, one after the other: `KEY=value` lines, values quoted as a POSIX shell has it; the last one
 * counts. What only a shell could tell (`$NAME`, `$(…)`) is refused: these lines are data.
 * @throws LarderError `CONFIG_BAD_VALUE` naming the line.
 */
export function readEnvText(text: string): Variables {
  const variables: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name = "", written = ""] = ASSIGNMENT.exec(line.trim()) ?? [];
    const value = name === "" ? undefined : readWord(written);
    if (value === undefined) throw unreadable(line);
    variables[name] = value;
  }
  return variables;
}

function readWord(written: string): string | undefined {
  let value = "";
  PIECE.lastIndex = 0;
  while (PIECE.lastIndex < written.length) {
    const piece = PIECE.exec(written);
    if (piece === null) return undefined;
    const [, single, double, escaped, plain] = piece;
    value += single ?? double?.replace(/\\([\\"$`])/g, "$1") ?? escaped ?? plain ?? "";
  }
  return value;
}

function unreadable(line: string): LarderError {
  const cure = "write KEY=value, quoted as for a shell, without $ and backticks";
  return new LarderError("CONFIG_BAD_VALUE", `a fragment in env.d holds ${JSON.stringify(line)}; ${cure}`);
}
