import { fieldLines, listMembers, type RawFields } from "../core/fields.ts";
import type { Coding, RequestView } from "./plan.ts";

export interface Selection {
  /** Canonical text of the selecting fields; empty where none select. */
  readonly variant: string;
  /** The selecting fields as they were sent. */
  readonly selecting: RawFields;
}

const UNSELECTED: Selection = { variant: "", selecting: [] };

/** Fields whose members have no order and know no case (RFC 9110 §12.5.1, §12.5.3, §12.5.4). */
const UNORDERED: ReadonlySet<string> = new Set(["accept", "accept-encoding", "accept-language"]);

/**
 * The variant that a request selects of a response with these fields (RFC 9111 §4.1); `undefined` for `Vary: *`, which
 * nothing selects. Where larder chose the coding, Accept-Encoding does not select (departure "own-coding").
 */
export function variantOf(
  responseFields: RawFields,
  request: Pick<RequestView, "fields">,
  coding: Coding,
): Selection | undefined {
  const vary = fieldLines(responseFields, "vary");
  if (vary.length === 0) return UNSELECTED;
  const names = new Set(listMembers(vary.join(",").toLowerCase()));
  if (names.has("*")) return undefined;
  if (coding !== "asked") names.delete("accept-encoding");
  if (names.size === 0) return UNSELECTED;
  let variant = "";
  const selecting: string[] = [];
  for (const name of [...names].sort()) {
    const lines = fieldLines(request.fields, name);
    variant += lines.length === 0 ? `${name}\n` : `${name}: ${normalize(name, lines)}\n`;
    for (const value of lines) selecting.push(name, value);
  }
  return { variant, selecting };
}

/** One text for all that means the same: lines combined, white space around commas gone (RFC 9111 §4.1). */
function normalize(name: string, lines: readonly string[]): string {
  const value = lines.join(",");
  // Between quotes a comma separates nothing and white space counts.
  if (value.includes('"')) return value;
  const members = listMembers(value);
  if (!UNORDERED.has(name)) return members.join(",");
  return members
    .map((member) => member.toLowerCase().replace(/[ \t]*;[ \t]*/g, ";"))
    .sort()
    .join(",");
}
