import { LarderError } from "../../core/errors.ts";
import { fieldLines } from "../../core/fields.ts";
import type { ResponseHead } from "../../policy/plan.ts";

/**
 * Refuses an answer whose end is in doubt: its chunks would be taken for content, or its content for the next answer. Two
 * lengths, or a length beside chunks, are refused by the parsers themselves.
 * @throws LarderError `ORIGIN_PROTOCOL`
 */
export function checkResponseHead({ status, fields }: ResponseHead, authority: string): void {
  const codings = fieldLines(fields, "transfer-encoding");
  if (codings.length > 1 || (codings.length === 1 && codings[0]?.toLowerCase() !== "chunked"))
    throw new LarderError(
      "ORIGIN_PROTOCOL",
      `${authority}: the Transfer-Encoding of the answer is not just \`chunked\``,
    );
  if (status < 200 || status > 999)
    throw new LarderError("ORIGIN_PROTOCOL", `${authority}: the answer has the status ${status}, which ends nothing`);
}
