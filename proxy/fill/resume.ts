import type { Declaration } from "../../core/declaration.ts";
import { fieldValue, type RawFields } from "../../core/fields.ts";
import type { ResponseHead } from "../../policy/plan.ts";
import type { OriginResponse } from "../origin/origin.ts";
import type { FillSource } from "./fill-order.ts";

/** What a cut answer needs to be continued: where it broke off, and how the rest proves that it belongs to it. */
export interface CutBody {
  /** The head of the answer that was cut first. */
  readonly head: ResponseHead;
  readonly receivedBytes: number;
  /** With a declared digest a wrong rest is found out at the end, so no validator is needed. */
  readonly declared: Declaration | undefined;
}

/** Last-Modified is a strong validator only when it is this much older than the answer (RFC 9110 §8.8.2.2). */
const STRONG_AFTER_MS = 60_000;

export interface ContinuationsOptions {
  /** Where the resource can be had, the one that gave the beginning among them. */
  readonly sources: readonly FillSource[];
  readonly begunBy: FillSource;
  /** As {@link FillOrder.findMore}. */
  readonly findMore: (() => Promise<readonly FillSource[]>) | undefined;
  /** Asks a source with these fields added. */
  readonly send: (source: FillSource, continuation: RawFields) => Promise<OriginResponse>;
}

/** Asks for the rest of one body, however often it is cut. */
export class Continuations {
  readonly #options: ContinuationsOptions;
  #cutBy: FillSource;
  #hasSpliced = false;

  constructor(options: ContinuationsOptions) {
    this.#options = options;
    this.#cutBy = options.begunBy;
  }

  /** Whether the body is made of several answers. */
  get hasSpliced(): boolean {
    return this.#hasSpliced;
  }

  /**
   * The rest, from another place where there is one: who has just cut an answer may cut the next. `undefined` where it
   * is not to be had.
   */
  async ask(cut: CutBody): Promise<OriginResponse | undefined> {
    const { sources, findMore } = this.#options;
    const others = sources.filter((source) => source !== this.#cutBy);
    return (
      (await this.#askEach([...others, this.#cutBy], cut)) ?? (await this.#askEach((await findMore?.()) ?? [], cut))
    );
  }

  async #askEach(sources: readonly FillSource[], cut: CutBody): Promise<OriginResponse | undefined> {
    const { begunBy, send } = this.#options;
    for (const source of sources) {
      const isElsewhere = source !== begunBy;
      const continuation = continuationFields(cut, isElsewhere);
      const answer = continuation === undefined ? undefined : await send(source, continuation).catch(() => undefined);
      if (answer === undefined) continue;
      if (!isContinuation(answer.head, cut, isElsewhere)) {
        answer.discard();
        continue;
      }
      this.#cutBy = source;
      this.#hasSpliced = true;
      return answer;
    }
    return undefined;
  }
}

/**
 * The fields that ask for the rest (RFC 9110 §14.2, §13.1.5), or `undefined` when nothing could tell that it is the
 * rest of the same representation. A validator tells it at its own origin only.
 */
export function continuationFields(
  { head, receivedBytes, declared }: CutBody,
  isElsewhere: boolean,
): RawFields | undefined {
  const validator = isElsewhere ? undefined : strongValidator(head);
  if (validator === undefined && declared === undefined) return undefined;
  const range = ["Range", `bytes=${receivedBytes}-`];
  return validator === undefined ? range : [...range, "If-Range", validator];
}

/** Whether an answer is the rest that was asked for: a 206 from there on, of the same representation and length. */
export function isContinuation(answer: ResponseHead, { head, receivedBytes }: CutBody, isElsewhere: boolean): boolean {
  if (answer.status !== 206) return false;
  const parts = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(fieldValue(answer.fields, "content-range") ?? "");
  if (parts === null || Number(parts[1]) !== receivedBytes) return false;
  const total = fieldValue(head.fields, "content-length");
  if (total !== undefined && (Number(parts[2]) !== Number(total) - 1 || (parts[3] !== "*" && parts[3] !== total)))
    return false;
  if (fieldValue(answer.fields, "content-encoding") !== fieldValue(head.fields, "content-encoding")) return false;
  const validator = isElsewhere ? undefined : strongValidator(head);
  const etag = fieldValue(answer.fields, "etag");
  return validator === undefined || !validator.startsWith('"') || etag === undefined || etag === validator;
}

/** What tells an answer's representation from all others of its origin (RFC 9110 §8.8.1), if anything does. */
export function strongValidator({ fields }: ResponseHead): string | undefined {
  const etag = fieldValue(fields, "etag");
  if (etag !== undefined) return etag.startsWith('"') ? etag : undefined;
  const modified = fieldValue(fields, "last-modified");
  const date = fieldValue(fields, "date");
  if (modified === undefined || date === undefined) return undefined;
  return Date.parse(date) - Date.parse(modified) >= STRONG_AFTER_MS ? modified : undefined;
}
