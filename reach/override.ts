import { LarderError, systemCode } from "../core/errors.ts";
import type { HostPort } from "../core/target.ts";
import { parsePlaces } from "./place.ts";
import { readText } from "./read-text.ts";

/**
 * The places that a file names, read anew each time: whoever writes to it moves the next connection. Empty when there
 * is no such file.
 * @throws LarderError `CONFIG_UNREADABLE`, `CONFIG_BAD_VALUE`
 */
export async function readOverride(path: string): Promise<readonly HostPort[]> {
  let text: string;
  try {
    text = await readText(path);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return [];
    const message = `${path} cannot be read (${systemCode(cause)}); make it readable, or remove it`;
    throw new LarderError("CONFIG_UNREADABLE", message, { cause });
  }
  return parsePlaces(text);
}
