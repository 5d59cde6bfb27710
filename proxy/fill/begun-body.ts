import type { Declaration } from "../../core/declaration.ts";
import type { RawFields } from "../../core/fields.ts";
import { originOf } from "../../core/target.ts";
import { endToEndFields } from "../../policy/forwarding.ts";
import type { ResponseHead } from "../../policy/plan.ts";
import { updatedFields } from "../../policy/stored-fields.ts";
import type { EntryDraft, ResumeNote, Staging, Store, TakenUp } from "../../storage/store.ts";
import type { OriginResponse } from "../origin/origin.ts";
import type { FillOrder, FillSource } from "./fill-order.ts";
import { type CutBody, continuationFields, isContinuation, strongValidator } from "./resume.ts";

/**
 * A body that broke off in an earlier fill, perhaps of a larder before this one: only its rest has to cross the
 * network.
 */
export class BegunBody {
  readonly staging: Staging;
  readonly bytes: number;
  readonly #origin: string;
  readonly #cut: CutBody;

  constructor({ staging, note: { origin, fields } }: TakenUp, declared: Declaration | undefined) {
    this.staging = staging;
    this.bytes = staging.appendedBytes;
    this.#origin = origin;
    this.#cut = { head: { status: 200, fields }, receivedBytes: this.bytes, declared };
  }
  /** The fields that ask a source for the rest; none where nothing could tell that it is the rest. */
  fieldsFor(source: FillSource): RawFields {
    return continuationFields(this.#cut, this.#isElsewhere(source)) ?? [];
  }

  /** The rest under the head of the whole (RFC 9111 §3.4), or `undefined` when the answer is not the rest. */
  join(source: FillSource, rest: OriginResponse): OriginResponse | undefined {
    if (!isContinuation(rest.head, this.#cut, this.#isElsewhere(source))) return undefined;
    const fields = updatedFields(this.#cut.head.fields, endToEndFields(rest.head.fields));
    return { ...rest, head: { ...rest.head, status: 200, fields }, discard: () => rest.discard() };
  }

  /** Nothing will come of it. */
  async drop(): Promise<void> {
    await this.staging.close();
  }

  /** Gives it back for somebody who comes later: this origin could not say. */
  async leave(): Promise<void> {
    await this.staging.suspend();
    await this.staging.close();
  }

  #isElsewhere(source: FillSource): boolean {
    return originOf(source.target) !== this.#origin;
  }
}

/** An answer that brings a body, or what is missing of the one that was begun. */
export interface BodyAnswer {
  readonly response: OriginResponse;
  readonly begun?: BegunBody;
}

/**
 * Asks a source for the rest of what was begun, or for all of it: where nothing was, or the source has something else
 * now.
 * @param send asks with these fields added
 */
export async function askForBody(
  source: FillSource,
  { order, store, send }: { readonly order: FillOrder; readonly store: Store; readonly send: Send },
): Promise<BodyAnswer> {
  const taken = await store.takeUp(nameOf(order));
  if (taken === undefined) return { response: await send([]) };
  const begun = new BegunBody(taken, order.declared);
  const response = await send(begun.fieldsFor(source)).catch(async (error: unknown) => {
    await begun.leave();
    throw error;
  });
  const joined = begun.join(source, response);
  if (joined !== undefined) return { response: joined, begun };
  const { status } = response.head;
  await (status >= 400 && status !== 416 ? begun.leave() : begun.drop());
  if (status !== 206 && status !== 416) return { response };
  response.discard();
  return { response: await send([]) };
}

type Send = (continuation: RawFields) => Promise<OriginResponse>;

/**
 * What is to be written down of a body that begins now, so that it can be gone on with; `undefined` where nothing could
 * tell its rest. What Vary selected is told by a validator of its own at best: those are fetched anew.
 */
export function resumeNoteOf(
  order: FillOrder,
  { source, head, draft }: { readonly source: FillSource; readonly head: ResponseHead; readonly draft: EntryDraft },
): ResumeNote | undefined {
  const isDeclared = order.declared !== undefined;
  const canBeTold = isDeclared || (draft.variant === "" && strongValidator(head) !== undefined);
  if (draft.status !== 200 || !canBeTold) return undefined;
  return { name: nameOf(order), origin: originOf(source.target), fields: draft.fields, isDeclared };
}

function nameOf({ declared, key, request }: FillOrder): string {
  return `${request.realm} ${declared === undefined ? key : `${declared.algorithm}-${declared.digest}`}`;
}
