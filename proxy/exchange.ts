import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../core/clock.ts";
import { type Entry, entryKeyOf } from "../core/entry.ts";
import { LarderError, toLarderError } from "../core/errors.ts";
import type { RawFields } from "../core/fields.ts";
import { classify } from "../ecosystems/classify.ts";
import type { AddressRules } from "../policy/access.ts";
import { decide } from "../policy/decide.ts";
import { fieldsToOrigin } from "../policy/forwarding.ts";
import type { ForwardReason, Plan, PlanContext, RequestView } from "../policy/plan.ts";
import { realmOf } from "../policy/realm.ts";
import { variantOf } from "../policy/selecting.ts";
import type { Store } from "../storage/store.ts";
import type { Fill, FillHead, FillOrder } from "./fill.ts";
import { type Fills, placeOf } from "./fills.ts";
import type { LocalSite } from "./local.ts";
import type { Origin } from "./origin.ts";
import type { Forwarder } from "./origin-forward.ts";
import { readTarget } from "./read-target.ts";
import { ExchangeRecord, type RecordDependencies } from "./record.ts";
import { type Reply, sendError } from "./reply.ts";
import { serveEntry, serveFill, servePass } from "./respond.ts";
import type { ProxySettings } from "./settings.ts";
import { wayOf } from "./way.ts";

export interface ExchangeDependencies {
  readonly store: Store;
  readonly fills: Fills;
  readonly origin: Origin;
  readonly forwarder: Forwarder;
  readonly local: LocalSite;
  readonly addresses: AddressRules;
  readonly clock: Clock;
  readonly records: RecordDependencies;
  readonly settings: ProxySettings;
}

/** With a stale copy in hand, how long an origin may take to answer for a root before the copy is served. */
const STALE_PATIENCE_MS = 3_000;

/** A GET or HEAD that has been read and classified, on its way to an answer. */
interface Errand {
  readonly reply: Reply;
  readonly view: RequestView;
  readonly context: Omit<PlanContext, "nowMs">;
  readonly key: string;
}

/** Answers requests: from the store, from a fill, or from the origin; whatever happens, the client gets an end. */
export class Exchanges {
  readonly #deps: ExchangeDependencies;

  constructor(dependencies: ExchangeDependencies) {
    this.#deps = dependencies;
  }

  /** Carries out one exchange. Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { records, settings } = this.#deps;
    const way = wayOf(request.socket);
    const record = new ExchangeRecord(request.method ?? "", way, records);
    const isOpen = (): boolean => !response.destroyed && !response.closed;
    const reply: Reply = { request, response, record, pseudonym: settings.pseudonym, isOpen };
    response.once("close", () => record.finish(response.statusCode, response.writableFinished));
    // A client that resets is seen as `close`; without a listener the error would end the process.
    response.on("error", () => undefined);
    try {
      await this.#route(reply);
    } catch (error) {
      sendError(reply, toLarderError(error));
    }
  }

  async #route(reply: Reply): Promise<void> {
    const { local, addresses, forwarder } = this.#deps;
    const { request, record } = reply;
    if (record.way.refusal !== undefined) throw record.way.refusal;
    const target = readTarget(request, record.way, reply.pseudonym);
    if (target === "local") return local.answer(reply);
    record.target = target;
    addresses.checkPort(target.port);
    record.classification = classify(target, request.headers.accept);
    const fields: RawFields = request.rawHeaders;
    const method = request.method ?? "GET";
    const view: RequestView = {
      method,
      target,
      fields,
      record: request.headers,
      realm: realmOf(target, request.headers),
    };
    if (method !== "GET" && method !== "HEAD") return await forwarder.forward(reply, view);
    const { class: resourceClass, coding } = record.classification;
    const context = { class: resourceClass, coding, rootFreshForMs: this.#deps.settings.rootFreshForMs };
    await this.#get({ reply, view, context, key: entryKeyOf("GET", target.uri) });
  }

  async #get(errand: Errand, isSecondTry = false): Promise<void> {
    const { store, clock } = this.#deps;
    const plan = decide(errand.view, store.find(errand.key), { ...errand.context, nowMs: clock() });
    try {
      await this.#carryOut(errand, plan);
    } catch (error) {
      const { code } = toLarderError(error);
      const isBlobGone = code === "BLOB_MISSING" || code === "BLOB_CORRUPT";
      if (!isBlobGone || isSecondTry || errand.reply.response.headersSent) throw error;
      await this.#get(errand, true);
    }
  }

  async #carryOut(errand: Errand, plan: Plan): Promise<void> {
    const { reply } = errand;
    switch (plan.action) {
      case "serve":
        reply.record.cacheStatus = {
          hit: true,
          ttl: plan.ttlSeconds,
          ...(plan.freshness === "stale" ? { detail: "stale" } : {}),
        };
        await serveEntry(reply, plan.entry, this.#deps);
        return;
      case "revalidate":
        reply.record.cacheStatus = { fwd: plan.reason };
        return await this.#throughFill(errand, plan.reason, { entry: plan.entry, conditional: plan.conditional });
      case "fetch":
        reply.record.cacheStatus = { fwd: plan.reason };
        return await this.#throughFill(errand, plan.reason);
      case "pass":
        reply.record.cacheStatus = { fwd: plan.reason, ...(plan.detail === undefined ? {} : { detail: plan.detail }) };
        return await this.#pass(errand);
      case "refuse":
        throw new LarderError(plan.code, "nothing fresh is stored, and the request forbids asking the origin");
      default:
        plan satisfies never;
    }
  }

  async #throughFill(errand: Errand, reason: ForwardReason, revalidated?: Revalidated, variant = ""): Promise<void> {
    const { fill, isLeader } = this.#joinOrLead(errand, reason, revalidated, variant);
    const { reply } = errand;
    if (!isLeader) reply.record.cacheStatus = { ...reply.record.cacheStatus, collapsed: true };
    const head = await this.#headOf(fill, errand, revalidated?.entry);
    switch (head.kind) {
      case "freshened":
        reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus: 304 };
        await serveEntry(reply, head.entry, this.#deps);
        return;
      case "stale":
        reply.record.cacheStatus = { ...reply.record.cacheStatus, hit: true, detail: head.detail };
        await serveEntry(reply, head.entry, this.#deps);
        return;
      case "pass": {
        const response = fill.takeResponse();
        if (response === undefined) return await this.#pass(errand);
        reply.record.cacheStatus = {
          ...reply.record.cacheStatus,
          fwdStatus: response.head.status,
          detail: head.reason,
        };
        await servePass(reply, response);
        return;
      }
      case "body":
        return await this.#fromFill(errand, fill, head, { reason, isLeader });
      default:
        head satisfies never;
    }
  }

  async #fromFill(
    errand: Errand,
    fill: Fill,
    head: FillHead & { kind: "body" },
    how: { reason: ForwardReason; isLeader: boolean },
  ): Promise<void> {
    const { reply, view, context } = errand;
    const mine = variantOf(head.draft.fields, view, context.coding)?.variant;
    if (mine !== undefined && mine !== head.draft.variant)
      return await this.#throughFill(errand, how.reason, undefined, mine);
    const range = reply.request.headers.range;
    if (range !== undefined && isFarAhead(range, fill)) return await this.#pass(errand, "unverified-range");
    reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus: head.draft.status, stored: true };
    if (how.isLeader) reply.record.countOriginBytes = () => fill.originBytes;
    await serveFill(reply, fill, head);
  }

  #joinOrLead(
    errand: Errand,
    reason: ForwardReason,
    revalidated: Revalidated | undefined,
    variant: string,
  ): { fill: Fill; isLeader: boolean } {
    const { fills } = this.#deps;
    const { view, key } = errand;
    const place = placeOf(key, view.realm, variant);
    const running = fills.find(place);
    // A client that wants the origin's word (`reason: request`) may share a question not yet answered, not an old answer.
    if (running !== undefined && !(reason === "request" && running.isHeadKnown))
      return { fill: running, isLeader: false };
    return { fill: fills.lead(place, this.#order(errand, revalidated)), isLeader: true };
  }

  #order({ view, context, key }: Errand, revalidated: Revalidated | undefined): FillOrder {
    const { pseudonym } = this.#deps.settings;
    const { coding } = context;
    return {
      request: view,
      context,
      key,
      entry: revalidated?.entry,
      declared: undefined,
      fieldsToOrigin: (isConditional) =>
        fieldsToOrigin(view, {
          pseudonym,
          coding,
          whole: true,
          ...(isConditional && revalidated !== undefined ? { conditional: revalidated.conditional } : {}),
        }),
    };
  }

  /** The fill's head; a root with a stale copy in hand is not waited for longer than {@link STALE_PATIENCE_MS}. */
  async #headOf(fill: Fill, { context, view }: Errand, entry: Entry | undefined): Promise<FillHead> {
    if (entry === undefined || context.class !== "root" || view.realm !== "public") return await fill.head;
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

  /** Asks the origin with the client's own fields and hands its answer on, unstored. */
  async #pass(errand: Errand, detail?: string): Promise<void> {
    const { reply, view } = errand;
    const abort = new AbortController();
    const leave = (): void => abort.abort();
    reply.response.once("close", leave);
    const fields = fieldsToOrigin(view, { pseudonym: reply.pseudonym, coding: "asked", whole: false });
    const response = await this.#deps.origin.ask(
      view.method === "HEAD" ? "HEAD" : "GET",
      view.target,
      fields,
      abort.signal,
    );
    reply.response.removeListener("close", leave);
    const { cacheStatus } = reply.record;
    reply.record.cacheStatus = {
      ...cacheStatus,
      fwdStatus: response.head.status,
      ...(detail === undefined ? {} : { detail }),
    };
    await servePass(reply, response);
  }
}

interface Revalidated {
  readonly entry: Entry;
  readonly conditional: RawFields;
}

/** How far beyond what has arrived a range may begin and still wait for the fill; above it goes to the origin itself. */
const RANGE_WAIT_BYTES = 16 * 1024 * 1024;

function isFarAhead(range: string, fill: Fill): boolean {
  const first = /^bytes=(\d+)-/.exec(range)?.[1];
  // A suffix (`-500`) needs the end, which is far while the fill is young.
  return first === undefined || Number(first) > fill.originBytes + RANGE_WAIT_BYTES;
}
