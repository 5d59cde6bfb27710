import { toLarderError } from "../../core/errors.ts";

/** What one check has found out. Whatever is bad has a cure. */
export type Finding = Good | Bad;

interface Good {
  readonly check: string;
  /** A `note` is not as it could be, but nothing fails by it. */
  readonly outcome: "good" | "note";
  readonly says: string;
  readonly cure?: string;
}

interface Bad {
  readonly check: string;
  readonly outcome: "bad";
  readonly says: string;
  readonly cure: string;
}

export function good(check: string, says: string): Finding {
  return { check, outcome: "good", says };
}

export function note(check: string, says: string, cure?: string): Finding {
  return { check, outcome: "note", says, ...(cure === undefined ? {} : { cure }) };
}

export function bad(check: string, says: string, cure: string): Finding {
  return { check, outcome: "bad", says, cure };
}

/** larder's own errors name cause and cure in one sentence, with a semicolon between. */
export function badBy(check: string, error: unknown): Finding {
  const { code, message } = toLarderError(error);
  const [says = "", ...cures] = message.split("; ");
  return bad(check, `${code}: ${says}`, cures.join("; ") || `see ${code} in docs/errors.md`);
}
