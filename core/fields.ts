/**
 * Field lines (RFC 9110 §5) as node:http and undici give and take them raw: name, value, name, value, …
 * in wire order. Names keep their case; compare them without regard to it.
 */
export type RawFields = readonly string[];

/** Fields by lower-case name; lines of one name are joined as RFC 9110 §5.3 allows, `set-cookie` stays a list. */
export type FieldRecord = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Calls `visit` for each line, its name in lower case. */
export function eachField(fields: RawFields, visit: (name: string, value: string, line: string) => void): void {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const line = fields[i] as string;
    visit(line.toLowerCase(), fields[i + 1] as string, line);
  }
}

/** The values of every line of that name, in order. @param name in lower case */
export function fieldLines(fields: RawFields, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const line = fields[i] as string;
    if (line.length === name.length && line.toLowerCase() === name) values.push(fields[i + 1] as string);
  }
  return values;
}

/** The combined value (RFC 9110 §5.3), or `undefined` when no line has that name. @param name in lower case */
export function fieldValue(fields: RawFields, name: string): string | undefined {
  const values = fieldLines(fields, name);
  return values.length === 0 ? undefined : values.join(", ");
}

/** The fields without the lines of these names. @param names in lower case */
export function withoutFields(fields: RawFields, names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  eachField(fields, (name, value, line) => {
    if (!names.has(name)) kept.push(line, value);
  });
  return kept;
}

/** The fields with every line of that name replaced by one. */
export function withField(fields: RawFields, line: string, value: string): string[] {
  const kept = withoutFields(fields, new Set([line.toLowerCase()]));
  kept.push(line, value);
  return kept;
}

export function toRecord(fields: RawFields): Record<string, string | string[]> {
  const record: Record<string, string | string[]> = Object.create(null);
  eachField(fields, (name, value) => {
    const before = record[name];
    if (name === "set-cookie") record[name] = Array.isArray(before) ? [...before, value] : [value];
    else record[name] = before === undefined ? value : `${String(before)}, ${value}`;
  });
  return record;
}

/** The members of a comma-separated list (RFC 9110 §5.6.1), quoted strings kept whole, empty members dropped. */
export function listMembers(value: string): string[] {
  const members = value.includes('"') ? splitOutsideQuotes(value) : value.split(",");
  return members.map((member) => member.trim()).filter((member) => member !== "");
}

/**
 * By hand, as a regular expression takes quadratic time here; a quote that is never closed is an ordinary character.
 */
function splitOutsideQuotes(value: string): string[] {
  const members: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let i = 0; i < value.length; i++) {
    const char = value[i];
    if (char === '"') isQuoted = !isQuoted;
    else if (char === "\\" && isQuoted) i++;
    else if (char === "," && !isQuoted) {
      members.push(value.slice(start, i));
      start = i + 1;
    }
  }
  return isQuoted ? value.split(",") : [...members, value.slice(start)];
}
