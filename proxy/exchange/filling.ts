import type { Clock } from "../../core/clock.ts";
import type { Entry } from "../../core/entry.ts";
import { LarderError } from "../../core/errors.ts";
import type { RawFields } from "../../core/fields.ts";
import { decide } from "../../policy/decide.ts";
import { fieldsToOrigin } from "../../policy/forwarding.ts";
import { freshenByHead } from "../../policy/freshening.ts";
import { isPartAskedFor } from "../../policy/parts.ts";
import type { Beginning, ForwardReason, ResponseHead } from "../../policy/plan.ts";
import { variantOf } from "../../policy/selecting.ts";
import type { Store } from "../../storage/store.ts";
import type { Errand } from "../answer/errand.ts";
import { partSourceOf, sourceOf } from "../answer/questions.ts";
import { sendInterim } from "../answer/reply.ts";
import { serveEntry, serveFill, servePass } from "../answer/respond.ts";
import type { Generations } from "../declared/generations.ts";
import type { PassingRoots } from "../declared/passing-roots.ts";
import type { SignedRoots } from "../declared/signed-roots.ts";
import type { Fill } from "../fill/fill.ts";
import type { FillHead, FillOrder } from "../fill/fill-order.ts";
import { type Fills, placeOf } from "../fill/fills.ts";
import { askThroughRedirects } from "../fill/redirects.ts";
import type { Origin, OriginResponse, Question } from "../origin/origin.ts";
import { UnstorablePlaces } from "./unstorable-places.ts";

export interface FillingDependencies {
  readonly store: Store;
  readonly fills: Fills;
  readonly origin: Origin;
  readonly generations: Generations;
  readonly passingRoots: PassingRoots;
  readonly signedRoots: SignedRoots;
  readonly clock: Clock;
}

/** A stored response that the origin is asked about. */
export interface Revalidated {
  readonly entry: Entry;
  readonly conditional: RawFields;
}

interface PassOptions {
  /** Why, as Cache-Status tells it. */
  readonly detail?: string;
  readonly freshens?: Entry;
}

interface FillWish {
  readonly reason: ForwardReason;
  readonly revalidated?: Revalidated | undefined;
  /** The variant that is wanted, where an answer has told what selects it. */
  readonly variant?: string;
  /** The part that the client asks for, and no more. */
  readonly isPart?: boolean | undefined;
  readonly beginning?: Beginning | undefined;
}

/** With a stale copy in hand, how long an origin may take to answer for a root before the copy is served. */
const STALE_PATIENCE_MS = 3_000;
/**
 * How far beyond what has arrived a range may begin and still wait for the fill; above it goes to the origin itself.
 */
const RANGE_WAIT_BYTES = 16 * 1024 * 1024;

/** Answers what nothing declares from the origin: through a fill that others share, or past the store. */
export class Filling {
  readonly #deps: FillingDependencies;
  readonly #unstorable: UnstorablePlaces;

  constructor(dependencies: FillingDependencies) {
    this.#deps = dependencies;
    this.#unstorable = new UnstorablePlaces(dependencies.clock);
  }

  async answer(errand: Errand, wish: FillWish): Promise<void> {
    if (wish.revalidated === undefined && this.#unstorable.has(unstorablePlace(errand, wish)))
      return await this.pass(errand, { detail: "unstorable" });
    const { fill, isLeader } = this.#joinOrLead(errand, wish);
    const { record } = errand.reply;
    if (!isLeader) record.cacheStatus = { ...record.cacheStatus, collapsed: true };
    const head = await this.#headOf(fill, errand, wish.revalidated?.entry);
    switch (head.kind) {
      case "freshened":
        record.cacheStatus = { ...record.cacheStatus, fwdStatus: 304 };
        return await this.#serveStored(errand, head.entry);
      case "stale":
        this.#checkUse(errand, head);
        record.cacheStatus = { ...record.cacheStatus, hit: true, detail: head.detail };
        return await this.#serveStored(errand, head.entry);
      case "pass": {
        const response = fill.takeResponse();
        if (isLeader && mayNeverBeStored(response?.head, head.reason))
          this.#unstorable.note(unstorablePlace(errand, wish));
        if (response === undefined) return await this.#passAlone(errand);
        record.cacheStatus = { ...record.cacheStatus, fwdStatus: response.head.status, detail: head.reason };
        await this.#servePassed(errand, response);
        return;
      }
      case "body":
        if (isLeader) record.countOriginBytes = () => fill.originBytes;
        return await this.#fromBody(errand, fill, isLeader ? head : { ...head, once: undefined }, wish);
      default:
        head satisfies never;
    }
  }

  /**
   * A cache that is away is of no use for its narinfo, when the nar is not stored: the next of several may have both.
   */
  #checkUse(errand: Errand, { entry, detail }: FillHead & { kind: "stale" }): void {
    const { mirror } = errand.reply;
    if (mirror?.isOneOfSeveral !== true || errand.place === undefined) return;
    if (this.#deps.generations.isComplete(errand, entry)) return;
    const { authority } = mirror.target;
    throw new LarderError("ORIGIN_UNREACHABLE", `${authority} does not answer (${detail}), and the nar is not stored`);
  }

  /** What had to wait for another's answer, and cannot share it. */
  async #passAlone(errand: Errand): Promise<void> {
    const { record } = errand.reply;
    const { collapsed: _, ...cacheStatus } = record.cacheStatus;
    record.cacheStatus = cacheStatus;
    await this.pass(errand);
  }

  /** Asks the origin behind an answer that is served stale: one question at a time, and nobody waits for it. */
  revalidateBehind(errand: Errand, revalidated: Revalidated): void {
    const { fills } = this.#deps;
    const place = placeOf(errand.key, errand.view.realm);
    if (fills.find(place) === undefined) fills.lead(place, this.#order(errand, { revalidated }));
  }

  /**
   * Has a root fetched that no client asks for, unless it is stored and fresh; resolves when what it declares is
   * learnt. Never rejects.
   */
  async bring(errand: Errand): Promise<void> {
    const { store, fills, clock } = this.#deps;
    const plan = decide(errand.view, store.find(errand.key), { ...errand.context, nowMs: clock() });
    if (plan.action === "serve") return;
    const place = placeOf(errand.key, errand.view.realm);
    // What its origin says in between is for nobody.
    const { onInterim: _, ...order } = this.#order(errand, {});
    await (fills.find(place) ?? fills.lead(place, order)).settled;
  }

  /**
   * Asks the origin with the client's own fields and hands its answer on, unstored.
   * @param freshens the stored response that the answer to a HEAD tells about
   */
  async pass(errand: Errand, { detail, freshens }: PassOptions = {}): Promise<void> {
    const requestMs = this.#deps.clock();
    const response = await this.#askAsClient(errand, (question) => this.#deps.origin.ask(question));
    if (freshens !== undefined) this.#freshenByHead(errand, freshens, response.head, requestMs);
    const { record } = errand.reply;
    const { status } = response.head;
    record.cacheStatus = { ...record.cacheStatus, fwdStatus: status, ...(detail === undefined ? {} : { detail }) };
    await this.#servePassed(errand, response);
  }

  /**
   * Hands on the part of a declared file that the client asks for, unverified, unstored and marked so.
   * @param bytes the length of the whole, where it is known
   * @returns whether that was the answer: what is no part of it is the whole, or none of it, and never goes out so
   */
  async passPart(errand: Errand, bytes: number | undefined): Promise<boolean> {
    const { origin } = this.#deps;
    const response = await this.#askAsClient(errand, (question) => askThroughRedirects(origin, question));
    const { reply } = errand;
    if (!isPartAskedFor(reply.request.headers.range, response.head, bytes)) {
      response.discard();
      return false;
    }
    reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus: 206, detail: "unverified-range" };
    await servePass(reply, response);
    return true;
  }

  /** Asks with the client's own fields, and no longer than the client is there. */
  async #askAsClient(
    { reply, view }: Errand,
    ask: (question: Question) => Promise<OriginResponse>,
  ): Promise<OriginResponse> {
    const abort = new AbortController();
    const leave = (): void => abort.abort();
    reply.response.once("close", leave);
    const fields = fieldsToOrigin(view, { pseudonym: reply.pseudonym, coding: "asked", whole: false });
    const method = view.method === "HEAD" ? "HEAD" : "GET";
    const onInterim = (head: ResponseHead): void => sendInterim(reply, head);
    try {
      return await ask({ method, target: view.target, fields, signal: abort.signal, onInterim });
    } finally {
      reply.response.removeListener("close", leave);
    }
  }

  #freshenByHead({ context }: Errand, entry: Entry, head: ResponseHead, requestMs: number): void {
    if (head.status !== 200) return;
    const { store, clock } = this.#deps;
    const nowMs = clock();
    const freshening = freshenByHead(entry, head, { ...context, nowMs, requestMs, responseMs: nowMs });
    if (freshening !== "another") store.freshen(entry, freshening);
    // A package file may still be wanted when its origin is gone; it is stale as it is.
    else if (context.class === "other") store.remove(entry);
  }

  async #servePassed(errand: Errand, response: OriginResponse): Promise<void> {
    const { signedRoots, passingRoots } = this.#deps;
    await servePass(errand.reply, passingRoots.learn(errand, await signedRoots.screen(errand, response)));
  }

  async #fromBody(errand: Errand, fill: Fill, head: FillHead & { kind: "body" }, wish: FillWish): Promise<void> {
    const { reply, view, context, place } = errand;
    const variant = variantOf(head.draft.fields, view, context.coding)?.variant;
    // Vary sets this request apart from the leader's: it asks for its own.
    if (variant !== undefined && variant !== head.draft.variant)
      return await this.answer(errand, { ...wish, revalidated: undefined, beginning: undefined, variant });
    if (head.draft.status !== 206 && isFarAhead(reply.request.headers.range, fill))
      return await this.pass(errand, { detail: "unverified-range" });
    reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus: head.draft.status, stored: true };
    if (place === undefined) return void (await serveFill(reply, fill, head, this.#deps));
    // A root goes out when what it declares is known: the client asks for its members at once. Meanwhile the reader
    // keeps its bytes from being dropped, should the store be at fault.
    const reader = fill.openReader();
    const entry = await fill.kept;
    const sent = entry === undefined ? serveFill(reply, fill, head, this.#deps) : this.#serveStored(errand, entry);
    reader.close();
    await sent;
  }

  async #serveStored(errand: Errand, entry: Entry): Promise<void> {
    this.#deps.generations.noteTaken(errand, entry);
    await serveEntry(errand.reply, entry, this.#deps);
  }

  #joinOrLead(errand: Errand, wish: FillWish): { fill: Fill; isLeader: boolean } {
    const { fills } = this.#deps;
    const { reason, variant = "" } = wish;
    const place = placeOf(errand.key, errand.view.realm, `${variant}${rangeOf(errand, wish)}`);
    const running = fills.find(place);
    // A client that wants the origin's word (`reason: request`) may share a question not yet answered, not an old
    // answer.
    if (running !== undefined && !(reason === "request" && running.isHeadKnown))
      return { fill: running, isLeader: false };
    return { fill: fills.lead(place, this.#order(errand, wish)), isLeader: true };
  }

  #order(errand: Errand, { revalidated, isPart, beginning }: Omit<FillWish, "reason">): FillOrder {
    const { reply, view, context, key, place } = errand;
    return {
      request: view,
      context,
      key,
      sources: [isPart === true ? partSourceOf(errand) : sourceOf(errand, revalidated?.conditional)],
      beginning,
      entry: revalidated?.entry,
      declared: undefined,
      onInterim: (head) => sendInterim(reply, head),
      ...this.#deps.signedRoots.admission(errand),
      ...(place === undefined ? {} : { onStored: (entry: Entry) => this.#deps.generations.learnRoot(errand, entry) }),
    };
  }

  /** The fill's head; a root with a stale copy in hand is not waited for longer than {@link STALE_PATIENCE_MS}. */
  async #headOf(fill: Fill, { context, view }: Errand, entry: Entry | undefined): Promise<FillHead> {
    if (entry === undefined || context.class !== "root" || view.realm !== view.sharedRealm) return await fill.head;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<FillHead>((resolve) => {
      timer = setTimeout(() => resolve({ kind: "stale", entry, detail: "slow-origin" }), STALE_PATIENCE_MS);
    });
    try {
      return await Promise.race([fill.head, patience]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What an error or this one request forbids to store, the next answer may allow. */
function mayNeverBeStored(head: ResponseHead | undefined, reason: string): boolean {
  return head !== undefined && head.status < 400 && reason !== "request-no-store";
}

/** Parts of a whole that cannot be stored may be, and the other way round. */
function unstorablePlace(errand: Errand, wish: FillWish): string {
  return placeOf(errand.key, errand.view.realm, rangeOf(errand, wish));
}

/** Those who want the same part share a fill; nobody else can. */
function rangeOf({ view }: Errand, { isPart }: FillWish): string {
  return isPart === true ? String(view.record["range"]) : "";
}

function isFarAhead(range: string | undefined, fill: Fill): boolean {
  if (range === undefined) return false;
  const first = /^bytes=(\d+)-/.exec(range)?.[1];
  // A suffix (`-500`) needs the end, which is far while the fill is young.
  return first === undefined || Number(first) > fill.arrivedBytes + RANGE_WAIT_BYTES;
}
