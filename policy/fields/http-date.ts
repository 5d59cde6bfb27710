/**
 * The three forms of an HTTP-date and nothing else: `Date.parse` alone takes `0`, other zones and stray dashes for
 * dates too, and reads asctime in the local zone. Case does not count, as no origin means another date by it.
 */
const IMF_FIXDATE = /^[a-z]{3}, \d\d [a-z]{3} \d{4} \d\d:\d\d:\d\d gmt$/i;
const RFC850_DATE = /^[a-z]{6,9}, (\d\d)-([a-z]{3})-(\d\d) (\d\d:\d\d:\d\d) gmt$/i;
const ASCTIME_DATE = /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d\d:\d\d:\d\d) (\d{4})$/i;

/** Reads an HTTP-date (RFC 9110 §5.6.7): milliseconds since the epoch, or `undefined` when it is not one. */
export function parseHttpDate(text: string | undefined): number | undefined {
  const imf = text === undefined ? undefined : toImfFixdate(text);
  const ms = imf === undefined ? Number.NaN : Date.parse(imf);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Writes an IMF-fixdate, the form that is to be generated. */
export function formatHttpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

function toImfFixdate(text: string): string | undefined {
  if (IMF_FIXDATE.test(text)) return text;
  const rfc850 = RFC850_DATE.exec(text);
  if (rfc850 !== null) {
    const [, day, month, year, time] = rfc850;
    // As POSIX reads two digits; RFC 9110's sliding fifty years differ only for years that no validator names.
    return `${day} ${month} ${Number(year) < 70 ? "20" : "19"}${year} ${time} GMT`;
  }
  const asctime = ASCTIME_DATE.exec(text);
  if (asctime === null) return undefined;
  const [, month, day, time, year] = asctime;
  return `${day} ${month} ${year} ${time} GMT`;
}
