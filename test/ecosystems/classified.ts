import { parseTarget } from "../../core/target.ts";
import { classify } from "../../ecosystems/classify.ts";

/** `class ecosystem coding` of a URI, as the table says it; `other` for what no ecosystem knows. */
export function classified(uri: string, accept?: string): string {
  const { class: resourceClass, ecosystem, coding } = classify(parseTarget(uri), { accept });
  return ecosystem === undefined ? resourceClass : `${resourceClass} ${ecosystem} ${coding}`;
}
