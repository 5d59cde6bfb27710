import { constants } from "node:fs";
import { readFile } from "node:fs/promises";
import { LarderError, systemCode } from "../core/errors.ts";
import type { HostPort } from "../core/target.ts";
import { parsePlaces } from "./place.ts";

/**
 * The places that a file names, read anew each time: whoever writes to it moves the next connection. Empty when there is no such file.
 * @throws LarderError `CONFIG_UNREADABLE`, `CONFIG_BAD_VALUE`
 */
export async function readOverride(path: string): Promise<readonly HostPort[]> {
  let text: string;
  try {
    // Not to wait for a writer, should somebody have made it a pipe: a read that hangs cannot be given up.
    text = await readFile(path, { encoding: "utf8", flag: constants.O_RDONLY | constants.O_NONBLOCK });
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return [];
    const message = `${path} cannot be read (${systemCode(cause)}); make it readable, or remove it`;
    throw new LarderError("CONFIG_UNREADABLE", message, { cause });
  }
  return parsePlaces(text);
}
