import { LarderError } from "../../core/errors.ts";
import { fieldLines, fieldValue, type RawFields } from "../../core/fields.ts";
import type { ResponseHead } from "../../policy/plan.ts";

/**
 * Codings that change the bytes, of contents (RFC 9110 §8.4.1, RFC 8878) or of messages (RFC 9112 §7.2): larder asks
 * for none of them.
 */
const CODED: ReadonlySet<string> = new Set(["br", "compress", "deflate", "gzip", "x-compress", "x-gzip", "zstd"]);
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/**
 * Refuses an answer whose end is in doubt: its chunks would be taken for content, or its content for the next answer.
 * Two lengths, or a length beside a coding, are refused by the parsers themselves.
 * @throws LarderError `ORIGIN_PROTOCOL`
 */
export function checkResponseHead({ status, fields }: ResponseHead, authority: string): void {
  const codings = fieldLines(fields, "transfer-encoding");
  if (codings.length > 1 || (codings.length === 1 && !isClear(codings[0] ?? "")))
    throw new LarderError(
      "ORIGIN_PROTOCOL",
      `${authority}: the Transfer-Encoding of the answer is not just \`chunked\``,
    );
  if (status < 200 || status > 999)
    throw new LarderError("ORIGIN_PROTOCOL", `${authority}: the answer has the status ${status}, which ends nothing`);
}

/**
 * Refuses a part, or word that nothing has changed, that nobody asked for (RFC 9110 §15.3.7, §15.4.5): both are
 * successes, and who wants the whole would take them for it.
 * @param asked the fields of the request
 * @throws LarderError `ORIGIN_PROTOCOL`
 */
export function checkWasAsked({ status }: ResponseHead, asked: RawFields, authority: string): void {
  const wishes = WISHES[status];
  if (wishes === undefined || wishes.some((name) => fieldValue(asked, name) !== undefined)) return;
  throw new LarderError(
    "ORIGIN_PROTOCOL",
    `${authority}: it answered ${status} to a request without ${wishes.join(" or ")}`,
  );
}

/** What has to be asked for, by one of these fields. */
const WISHES: Readonly<Record<number, readonly string[]>> = {
  206: ["range"],
  304: ["if-none-match", "if-modified-since"],
};

/**
 * `chunked`, or one name that nobody knows (`binary`, `8bit`, the old `identity`): that changes nothing about the bytes, and they end
 * with the connection, which is not used again (RFC 9112 §6.3). What only resembles `chunked` may be chunks to somebody
 * else.
 */
function isClear(coding: string): boolean {
  const name = coding.toLowerCase();
  return name === "chunked" || (TOKEN.test(name) && !name.includes("chunk") && !CODED.has(name));
}
