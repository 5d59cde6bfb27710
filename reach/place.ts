import { LarderError } from "../core/errors.ts";
import { type HostPort, parseHostPort } from "../core/target.ts";

/** Where larder listens unless it is told otherwise; autodetection for apt looks there, too. */
export const USUAL_PORT = 3142;

/**
 * Reads where a cache is, as people write it: `host`, `host:port` or a URL whose path is of no interest.
 * @throws LarderError `CONFIG_BAD_VALUE` with what may stand there.
 */
export function parsePlace(text: string): HostPort {
  const authority = /^https?:\/\/([^/?#]*)/i.exec(text)?.[1] ?? text;
  try {
    const { host, port = USUAL_PORT } = parseHostPort(authority);
    return { host, port };
  } catch (cause) {
    throw new LarderError(
      "CONFIG_BAD_VALUE",
      `${text} is no place of a cache; write host, host:port or http://host:port`,
      {
        cause,
      },
    );
  }
}

/**
 * Reads a list as it stands in a file or after an option: separated by commas or white space, `#` to the end of a line
 * is a remark.
 */
export function parsePlaces(text: string): readonly HostPort[] {
  return text
    .replace(/#.*$/gm, "")
    .split(/[\s,]+/)
    .filter((word) => word !== "")
    .map(parsePlace);
}
