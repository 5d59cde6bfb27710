import type { Clock } from "../../core/clock.ts";
import { LarderError } from "../../core/errors.ts";
import type { RawFields } from "../../core/fields.ts";
import { partOf } from "../../policy/parts.ts";
import type { Beginning } from "../../policy/plan.ts";
import { withheldFields } from "../../policy/stored-fields.ts";
import type { EntryDraft, StageOptions, Staging, Store } from "../../storage/store.ts";
import { contentLength, type OriginResponse } from "../origin/origin.ts";
import { type BegunBody, resumeNoteOf } from "./begun-body.ts";
import { download } from "./download.ts";
import { codingInDoubt, decodeAsDeclared, type StagedBody } from "./encoded-body.ts";
import type { FillHead, FillOrder, FillSource } from "./fill-order.ts";
import type { GrowingBody, Hold } from "./growing-body.ts";
import { Continuations } from "./resume.ts";
import { Verifier } from "./verify.ts";

export interface ArrivalDependencies {
  readonly order: FillOrder;
  readonly store: Store;
  readonly clock: Clock;
  /** Where the bytes are read while they come. */
  readonly body: GrowingBody;
  readonly signal: AbortSignal;
  readonly send: (source: FillSource, fields: RawFields) => Promise<OriginResponse>;
  /** Called with the head when readers may have it; more than once. */
  readonly announce: (head: BodyHead) => void;
  readonly isHeadKnown: () => boolean;
  /** Called with what has come of an answer that was cut for good. */
  readonly keepCut: (head: BodyHead, staging: Staging) => Promise<void>;
  /** Called when it turns out that the store cannot keep it. */
  readonly onUnstorable: () => void;
}

export interface Answer {
  readonly source: FillSource;
  readonly response: OriginResponse;
  readonly draft: EntryDraft;
  /** Not to be continued when it is cut, and held back until it is verified. */
  readonly isWhole: boolean;
  /** Stored parts that the response is the rest of. */
  readonly beginning?: Beginning | undefined;
  /** What is there already of the body: the response brings the rest. */
  readonly begun?: BegunBody | undefined;
}

/**
 * A fill outlives its readers, so that who comes next has it. What has no length may have no end either (a stream of
 * events, of noise): it goes on alone for as long only.
 */
const ABANDONED_AFTER_MS = 600_000;

type BodyHead = FillHead & { readonly kind: "body" };

/** One answer's body on its way from an origin to staging and to the fill's readers, until it is verified. Use once. */
export class Arrival {
  readonly head: BodyHead;
  readonly #deps: ArrivalDependencies;
  readonly #answer: Answer;
  readonly #continuations: Continuations;
  readonly #coding: string | undefined;
  readonly #verifier: Verifier;
  #begunBytes = 0;
  #aloneSinceMs: number | undefined;

  constructor(answer: Answer, dependencies: ArrivalDependencies) {
    const { draft, response, source } = answer;
    const { order, send } = dependencies;
    const { declared, sources, findMore } = order;
    this.#answer = answer;
    this.#deps = dependencies;
    this.#coding = codingInDoubt(response.head, declared);
    this.#verifier = new Verifier(declared, this.#coding !== undefined);
    const { class: resourceClass, targets } = order.context;
    const once = resourceClass === "other" ? withheldFields(response.head.fields, targets) : [];
    this.head = { kind: "body", draft, bytes: declared?.bytes ?? contentLength(response.head), once };
    this.#continuations = new Continuations({
      sources,
      begunBy: source,
      findMore,
      send: (place, continuation) => send(place, [...place.fieldsToOrigin(false), ...continuation]),
    });
  }

  /** Bytes that were there before, and did not come from an origin. */
  get begunBytes(): number {
    return this.#begunBytes;
  }

  /** Whether the body is made of several answers. */
  get isSpliced(): boolean {
    return this.#answer.begun !== undefined || this.#continuations.hasSpliced;
  }

  /** @throws LarderError as {@link download} and {@link Verifier.check} */
  async bring(): Promise<StagedBody> {
    const { store, body, announce, order } = this.#deps;
    const { response, draft, begun } = this.#answer;
    const announced = contentLength(response.head);
    if (announced !== undefined && !this.#verifier.mayBeLong(announced)) {
      response.discard();
      await begun?.drop();
      throw this.#verifier.sizeMismatch(announced);
    }
    const staging = begun?.staging ?? (await store.stage(this.#stageOptions()));
    if (begun !== undefined) await this.#verifier.readAlong(staging);
    const hold = this.#hold();
    await body.begin(staging, hold);
    // A held body may yet be thrown away for another source's: its head goes out with its first byte.
    if (hold.kind === "nothing") announce(this.head);
    await this.#begin(staging);
    await this.#download(staging, order.declared).catch(async (fault: unknown) => {
      if (order.declared === undefined && this.#coding === undefined) await this.#deps.keepCut(this.head, staging);
      throw fault;
    });
    return await this.#verified({ staging, sealed: await staging.seal(), fields: draft.fields });
  }

  #stageOptions(): StageOptions {
    const { source, response, draft, isWhole } = this.#answer;
    const { bytes } = this.head;
    const mayBeginOnly = !isWhole && this.#coding === undefined;
    const note = mayBeginOnly ? resumeNoteOf(this.#deps.order, { source, head: response.head, draft }) : undefined;
    return {
      ...(bytes === undefined ? {} : { expectedBytes: bytes }),
      ...(note === undefined ? {} : { note }),
    };
  }

  #hold(): Hold {
    const { declared, admit } = this.#deps.order;
    const { draft, isWhole } = this.#answer;
    const mustBeAdmitted = admit !== undefined && draft.status < 400;
    if (mustBeAdmitted || isWhole || this.#coding !== undefined) return { kind: "all" };
    return declared === undefined ? { kind: "nothing" } : { kind: "tail", totalBytes: this.head.bytes };
  }

  /** What is stored of it already comes first. */
  async #begin(staging: Staging): Promise<void> {
    const { store } = this.#deps;
    for (const { entry, range } of this.#answer.beginning?.pieces ?? []) {
      const offset = partOf(entry)?.range.first ?? 0;
      const bytes = await store.openBlob(entry.digest, { first: range.first - offset, last: range.last - offset });
      for await (const chunk of bytes) {
        await staging.append(chunk);
        await this.#noteBytes(staging);
      }
    }
    this.#begunBytes = staging.appendedBytes;
  }

  #download(staging: StagedBody["staging"], declared: FillOrder["declared"]): Promise<void> {
    const { source, response, draft, isWhole } = this.#answer;
    return download(response, {
      staging,
      verifier: this.#verifier,
      declared,
      authority: source.target.authority,
      clock: this.#deps.clock,
      signal: this.#deps.signal,
      // Offsets of a part are not those of the whole.
      askForRest: async (cut) => (isWhole || draft.status === 206 ? undefined : await this.#continuations.ask(cut)),
      onBytes: () => this.#noteBytes(staging),
    });
  }

  async #noteBytes({ fault }: StagedBody["staging"]): Promise<void> {
    this.#checkAbandoned();
    const { body, order, announce, isHeadKnown, onUnstorable } = this.#deps;
    if (body.releasedBytes > 0) {
      if (order.declared !== undefined && !isHeadKnown()) order.onUnproven?.();
      announce(this.head);
    }
    body.wake();
    if (fault === undefined) return;
    onUnstorable();
    // Before the head is known nobody can read, and what is held back until then is little.
    if (isHeadKnown()) await body.waitForReaders();
  }

  /** @throws LarderError `CLIENT_GONE` when nobody has read for long what nothing tells the end of. */
  #checkAbandoned(): void {
    const { body, clock } = this.#deps;
    if (this.head.bytes !== undefined || body.isRead) this.#aloneSinceMs = undefined;
    else {
      this.#aloneSinceMs ??= clock();
      if (clock() - this.#aloneSinceMs > ABANDONED_AFTER_MS)
        throw new LarderError("CLIENT_GONE", "nobody reads it any more, and nothing tells where it ends");
    }
  }

  /** The body as it was sent, or else without a coding that nobody asked for. */
  async #verified(sent: StagedBody): Promise<StagedBody> {
    const { order, store, body, signal } = this.#deps;
    try {
      this.#verifier.check(sent.sealed);
      return sent;
    } catch (fault) {
      if (this.#coding === undefined || order.declared === undefined) throw fault;
      const decoded = await decodeAsDeclared(sent, this.#coding, { store, declared: order.declared, signal });
      if (decoded === undefined) throw fault;
      await body.begin(decoded.staging, { kind: "all" });
      return decoded;
    }
  }
}
