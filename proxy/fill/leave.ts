import type { Entry } from "../../core/entry.ts";
import { fieldValue, type RawFields } from "../../core/fields.ts";
import type { ResponseHead } from "../../policy/plan.ts";
import { contentLength, type OriginResponse } from "../origin/origin.ts";
import type { FillSource } from "./fill-order.ts";

/** Some pre-signed URLs are good for GET only, so this is no HEAD. */
const FIRST_BYTE: RawFields = ["Range", "bytes=0-0"];

/**
 * Asks, with the requester's own credentials, for one byte of what the store holds of this very URI for somebody else:
 * whoever the origin gives that may have the rest from the store. What another URI has by the same digest is never
 * given so, for a requester could name any digest at an origin of its own.
 * @throws LarderError as `send`
 */
export async function hasLeave(
  { bytes }: Pick<Entry, "bytes">,
  source: FillSource,
  send: (source: FillSource, fields: RawFields) => Promise<OriginResponse>,
): Promise<boolean> {
  const response = await send(source, [...source.fieldsToOrigin(false), ...FIRST_BYTE]);
  response.discard();
  return lengthOf(response.head) === bytes;
}

/**
 * The length of all of it, as an answer to {@link FIRST_BYTE} tells; `undefined` when the answer is none, or in a
 * coding.
 */
function lengthOf(head: ResponseHead): number | undefined {
  if (fieldValue(head.fields, "content-encoding") !== undefined) return undefined;
  if (head.status === 200) return contentLength(head);
  if (head.status !== 206) return undefined;
  const total = /^bytes 0-0\/(\d+)$/.exec(fieldValue(head.fields, "content-range") ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}
