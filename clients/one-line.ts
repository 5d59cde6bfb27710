import { LarderError } from "../core/errors.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BREAKS_A_LINE = /[\x00\r\n]/;

/**
 * The value itself, when it fits on one line: every format of `clients/` is made of lines.
 * @throws LarderError `CONFIG_BAD_VALUE` for a value with a line break or a NUL.
 */
export function oneLine(value: string): string {
  if (!BREAKS_A_LINE.test(value)) return value;
  throw new LarderError("CONFIG_BAD_VALUE", `${JSON.stringify(value)} does not fit on a line; use a path without it`, {
    details: { value },
  });
}
