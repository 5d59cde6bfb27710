/** No POSIX shell, and no reader of env files, sees anything special in these. */
const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** The text as one word of a POSIX shell, in single quotes where it needs them (POSIX.1-2017, XCU 2.2.2). */
export function shellQuote(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
