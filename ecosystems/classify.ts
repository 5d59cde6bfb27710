import type { FieldRecord } from "../core/fields.ts";
import type { TargetUri } from "../core/target.ts";
import type { Classification } from "./ecosystem.ts";
import { FORMATS } from "./formats.ts";

/** What no ecosystem knows: served as RFC 9111 has it. */
export const OTHER: Classification = { class: "other", ecosystem: undefined, coding: "asked" };

/**
 * Says what a URI names, by its shape alone. It may be wrong about a URI that only looks like a package: what it says
 * decides how long larder keeps an answer and how it asks for it, never whether the answer is right.
 * @param request its fields: formats without paths of their own are told apart by what is asked for.
 */
export function classify(target: TargetUri, request: FieldRecord = {}): Classification {
  for (const format of FORMATS) {
    const classification = format.classify(target, request);
    if (classification !== undefined) return classification;
  }
  return OTHER;
}
