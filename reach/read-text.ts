import { constants } from "node:fs";
import { readFile } from "node:fs/promises";

/**
 * The text of a file, without waiting for who would write into it, should it be a pipe: a read that hangs cannot be
 * given up.
 */
export function readText(path: string): Promise<string> {
  return readFile(path, { encoding: "utf8", flag: constants.O_RDONLY | constants.O_NONBLOCK });
}

/** The same, where a file that cannot be read says nothing. */
export function readTextOrNothing(path: string): Promise<string> {
  return readText(path).catch(() => "");
}
