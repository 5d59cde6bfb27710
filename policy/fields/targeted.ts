import { fieldValue, listMembers, type RawFields, withoutFields } from "../../core/fields.ts";

/**
 * One member of a structured-fields dictionary (RFC 9651 §3.2) with a value that a directive may have; parameters say
 * nothing here.
 */
const MEMBER =
  /^([a-z*][a-z0-9_.*-]*)(?:=(?:(-?\d{1,15})|"((?:[ !#-[\]-~]|\\["\\])*)"|\?([01])|([A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*)))?(?:; *[a-z*][a-z0-9_.*-]*(?:=[^;]*)?)*$/;
/** Directives whose value is an integer; of any other type it is an error (RFC 9213 §2.1). */
const OF_SECONDS: ReadonlySet<string> = new Set(["max-age", "s-maxage", "stale-if-error", "stale-while-revalidate"]);
const REPLACED: ReadonlySet<string> = new Set(["cache-control", "expires"]);

/**
 * A response's fields as a cache is to hear them that obeys these targeted fields, the first of them most (RFC 9213
 * §2.2): one that is there and can be read stands in for Cache-Control and Expires.
 * @param targets names in lower case, such as `cdn-cache-control`
 */
export function heardFields(fields: RawFields, targets: readonly string[] = []): RawFields {
  for (const name of targets) {
    const directives = readTargeted(fieldValue(fields, name));
    if (directives !== undefined) return [...withoutFields(fields, REPLACED), "Cache-Control", directives];
  }
  return fields;
}

/** The same directives in the form of Cache-Control; `undefined` when the field is not there, empty or in error. */
function readTargeted(value: string | undefined): string | undefined {
  if (value === undefined || value.trim() === "") return undefined;
  const directives: string[] = [];
  for (const member of listMembers(value)) {
    const match = MEMBER.exec(member);
    if (match === null) return undefined;
    const [, name = "", integer, text, flag, token] = match;
    if (OF_SECONDS.has(name) && (integer === undefined || integer.startsWith("-"))) return undefined;
    if (flag === "0") continue;
    const argument = text === undefined ? (integer ?? token) : `"${text}"`;
    directives.push(argument === undefined ? name : `${name}=${argument}`);
  }
  return directives.join(", ");
}
