import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../core/clock.ts";
import type { Digest } from "../../core/digest.ts";
import { type Entry, entryKeyOf } from "../../core/entry.ts";
import { LarderError, toLarderError } from "../../core/errors.ts";
import type { TargetUri } from "../../core/target.ts";
import { classify } from "../../ecosystems/classify.ts";
import { locateMetadata } from "../../ecosystems/locate.ts";
import type { AddressRules } from "../../policy/access/address-rules.ts";
import { certificateShownTo } from "../../policy/access/origin-access.ts";
import { decide, hasContent } from "../../policy/decide.ts";
import type { Plan, RequestView } from "../../policy/plan.ts";
import { realmOf, sharedRealmOf } from "../../policy/realm.ts";
import type { Store } from "../../storage/store.ts";
import type { Errand } from "../answer/errand.ts";
import { askingForTimes, planContextOf } from "../answer/questions.ts";
import { ExchangeRecord, type RecordDependencies } from "../answer/record.ts";
import { type Reply, sendError } from "../answer/reply.ts";
import { serveEntry } from "../answer/respond.ts";
import { asUndeclared, type DeclaredFiles } from "../declared/declared.ts";
import { type Generations, uriOf } from "../declared/generations.ts";
import type { RootFallbacks } from "../declared/root-fallbacks.ts";
import type { SignedRoots } from "../declared/signed-roots.ts";
import type { Fills } from "../fill/fills.ts";
import type { Forwarder } from "../forwarding/forward.ts";
import type { Upgrader } from "../forwarding/upgrade.ts";
import type { Gate } from "../request/gate.ts";
import { readTarget } from "../request/read-target.ts";
import { answerOn } from "../request/switching.ts";
import { wayOf } from "../request/way.ts";
import type { ProxySettings } from "../settings.ts";
import type { DerivedPages } from "../site/derived-pages.ts";
import { type Mirror, openMirror } from "../site/mirror.ts";
import { askInOrder, type Substituter, type Substitution } from "../site/substituter.ts";
import type { Filling } from "./filling.ts";
import type { LocalSite } from "./local.ts";

export interface ExchangeDependencies {
  readonly store: Store;
  readonly fills: Fills;
  readonly filling: Filling;
  readonly declaredFiles: DeclaredFiles;
  readonly generations: Generations;
  readonly signedRoots: SignedRoots;
  readonly rootFallbacks: RootFallbacks;
  readonly forwarder: Forwarder;
  readonly upgrader: Upgrader;
  readonly local: LocalSite;
  readonly substituter: Substituter;
  readonly pages: DerivedPages;
  readonly addresses: AddressRules;
  /** Refuses what nothing may be served of, not from the store either. */
  readonly guard?: ((target: TargetUri) => Promise<void>) | undefined;
  readonly gate: Gate;
  readonly clock: Clock;
  readonly records: RecordDependencies;
  readonly settings: ProxySettings;
}

/** Answers requests: from the store, from a fill, or from the origin; whatever happens, the client gets an end. */
export class Exchanges {
  readonly #deps: ExchangeDependencies;

  constructor(dependencies: ExchangeDependencies) {
    this.#deps = dependencies;
  }

  /** Carries out one exchange. Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { records, settings, gate } = this.#deps;
    const way = wayOf(request.socket);
    const record = new ExchangeRecord(request.method ?? "", way, records);
    const isOpen = (): boolean => !response.destroyed && !response.closed;
    const reply: Reply = { request, response, record, pseudonym: settings.pseudonym, isOpen };
    response.once("close", () => {
      record.finish(response.headersSent ? response.statusCode : undefined, response.writableFinished);
    });
    // A client that resets is seen as `close`; without a listener the error would end the process.
    response.on("error", () => undefined);
    try {
      // Without a pause before: when this refuses, nothing that was sent behind it may have begun.
      const target = this.#aim(reply);
      record.way = await gate.admit(request, way);
      if (isSubstitution(target)) await this.#substitute(reply, target);
      else await this.#route(reply, target);
    } catch (error) {
      sendError(reply, toLarderError(error));
    }
  }

  /**
   * Carries out a request to switch protocols on a connection that nobody reads any more.
   * @param head what the client sent behind it
   * @returns when the connection has ended. Never rejects.
   */
  async upgrade(request: IncomingMessage, head: Buffer): Promise<void> {
    const { records, settings, addresses, gate, upgrader } = this.#deps;
    const response = answerOn(request);
    const record = new ExchangeRecord(request.method ?? "", wayOf(request.socket), records);
    const isOpen = (): boolean => !request.socket.destroyed;
    const reply: Reply = { request, response, record, pseudonym: settings.pseudonym, isOpen };
    response.on("error", () => undefined);
    try {
      record.way = await gate.admit(request, record.way);
      const target = readTarget(request, record.way, reply.pseudonym);
      if (target === "local") throw new LarderError("NOT_FOUND", "larder's own pages switch to no other protocol");
      record.target = target;
      addresses.checkPort(target.port);
      await upgrader.upgrade(reply, { ...viewOf(request, target, settings), method: "GET" }, head);
    } catch (error) {
      sendError(reply, toLarderError(error));
    }
    const isSwitched = record.cacheStatus.fwdStatus === 101;
    record.finish(isSwitched ? 101 : response.headersSent ? response.statusCode : undefined, true);
  }

  #aim(reply: Reply): TargetUri | "local" | Substitution {
    const { request, record, pseudonym } = reply;
    const { refusal } = record.way;
    if (refusal !== undefined && refusal.status !== 407) throw refusal;
    const target = readTarget(request, record.way, pseudonym);
    if (target !== "local") return target;
    const { substituter, pages, settings } = this.#deps;
    const substitution = substituter.open(request, settings.serverNames);
    if (substitution !== undefined) return substitution;
    const mirror = openMirror(request, settings.serverNames, pages);
    if (mirror === undefined) return "local";
    reply.mirror = mirror;
    return mirror.target;
  }

  async #substitute(reply: Reply, substitution: Substitution): Promise<void> {
    const { response } = reply;
    const ask = (mirror: Mirror): Promise<void> => {
      reply.mirror = mirror;
      return this.#route(reply, mirror.target);
    };
    try {
      await askInOrder(substitution, () => reply.isOpen() && !response.headersSent, ask);
    } catch (error) {
      // What larder says itself is not the answer of any of them.
      if (!response.headersSent) delete reply.mirror;
      throw error;
    }
  }

  async #route(reply: Reply, target: TargetUri | "local"): Promise<void> {
    const { local, addresses, guard, forwarder, generations, settings } = this.#deps;
    const { request, record } = reply;
    if (target === "local") return local.answer(reply);
    record.target = target;
    addresses.checkPort(target.port);
    if (guard !== undefined) await guard(target);
    const classification = classify(target, request.headers);
    record.classification = classification;
    const { headers } = request;
    const asked = viewOf(request, target, settings);
    const view = settings.minReleaseAgeMs > 0 ? askingForTimes(asked, classification) : asked;
    const { method } = view;
    if (method !== "GET" && method !== "HEAD") return await forwarder.forward(reply, view, "method");
    if (hasContent(headers)) return await forwarder.forward(reply, view, "bypass");
    const { class: resourceClass, ecosystem, signature, signs } = classification;
    const place = resourceClass === "root" ? locateMetadata(target, ecosystem) : undefined;
    // A root whose members are gone was replaced: whatever lifetime it was given, its origin is asked.
    const isOutdated = place?.role === "root" && generations.isOutdated(uriOf(place));
    if (signs !== undefined) generations.noteSignature(target, signs);
    const context = planContextOf(classification, isOutdated ? { ...settings, rootFreshForMs: 0 } : settings);
    await this.#get({ reply, view, context, key: entryKeyOf("GET", target.uri), place, signature });
  }

  /**
   * What the store turns out not to have is asked for at the origin, by a second try: a blob that is gone or damaged has lost its
   * entries by then, and one that cannot be read is left aside.
   */
  async #get(errand: Errand, isSecondTry = false): Promise<void> {
    try {
      await this.#lookUp(errand);
    } catch (error) {
      const { code, details } = toLarderError(error);
      const isGone = code === "BLOB_MISSING" || code === "BLOB_CORRUPT";
      const isUnreadable = code === "STORE_UNREADABLE" && typeof details.digest === "string";
      if (!(isGone || isUnreadable) || isSecondTry || errand.reply.response.headersSent) throw error;
      await this.#get(isUnreadable ? { ...errand, unreadable: details.digest as Digest } : errand, true);
    }
  }

  /** Digest before URL: what is declared goes by its digest, and only the rest by RFC 9111. */
  async #lookUp(errand: Errand): Promise<void> {
    const { store, clock, fills, declaredFiles, generations, signedRoots } = this.#deps;
    const declared = await declaredFiles.find(errand);
    if (declared !== undefined) return await declaredFiles.answer(errand, declared);
    // What has just been filled is a hit as soon as it is committed, a moment after its last byte went out.
    await fills.allCommitted(errand.key, errand.view.realm);
    const entries = await signedRoots.select(errand, asUndeclared(readable(store.find(errand.key), errand)));
    const isComplete = entries.length > 0 && entries.every((entry) => generations.isComplete(errand, entry));
    try {
      await this.#carryOut(errand, decide(errand.view, entries, { ...errand.context, isComplete, nowMs: clock() }));
    } catch (error) {
      await this.#fallBack(errand, entries, toLarderError(error));
    }
  }

  async #fallBack(errand: Errand, admitted: readonly Entry[], fault: LarderError): Promise<void> {
    const { rootFallbacks } = this.#deps;
    const { response, record } = errand.reply;
    if (response.headersSent) throw fault;
    const entry = rootFallbacks.goodCopy(errand, admitted, fault);
    if (entry === undefined) {
      if (admitted.length > 0 || !rootFallbacks.answerAbsent(errand, record.classification?.otherwise, fault))
        throw fault;
      return;
    }
    record.cacheStatus = { hit: true, detail: fault.code };
    await this.#serve(errand, entry);
  }

  async #carryOut(errand: Errand, plan: Plan): Promise<void> {
    const { filling } = this.#deps;
    const { record } = errand.reply;
    switch (plan.action) {
      case "serve":
        record.cacheStatus = {
          hit: true,
          ttl: plan.ttlSeconds,
          ...(plan.freshness === "stale" ? { detail: "stale" } : {}),
        };
        if (plan.revalidateBehind !== undefined)
          filling.revalidateBehind(errand, { entry: plan.entry, conditional: plan.revalidateBehind });
        return await this.#serve(errand, plan.entry);
      case "revalidate":
        record.cacheStatus = { fwd: plan.reason };
        return await filling.answer(errand, { reason: plan.reason, revalidated: plan });
      case "fetch":
        record.cacheStatus = { fwd: plan.reason };
        return await filling.answer(errand, plan);
      case "pass":
        record.cacheStatus = { fwd: plan.reason };
        return await filling.pass(errand, plan);
      case "refuse":
        throw new LarderError(plan.code, "nothing fresh is stored, and the request forbids asking the origin");
      default:
        plan satisfies never;
    }
  }

  async #serve(errand: Errand, entry: Entry): Promise<void> {
    const { generations } = this.#deps;
    if (errand.place !== undefined) {
      await generations.learnAgain(errand, entry);
      generations.noteTaken(errand, entry);
    }
    await serveEntry(errand.reply, entry, this.#deps);
  }
}

function readable(entries: readonly Entry[], { unreadable }: Errand): readonly Entry[] {
  return unreadable === undefined ? entries : entries.filter(({ digest }) => digest !== unreadable);
}

function isSubstitution(target: TargetUri | "local" | Substitution): target is Substitution {
  return Array.isArray(target);
}

function viewOf(request: IncomingMessage, target: TargetUri, { originAccess }: ProxySettings): RequestView {
  const { method = "GET", rawHeaders: fields, headers } = request;
  const certificate = certificateShownTo(target, originAccess);
  const realm = realmOf(target, headers, certificate);
  return { method, target, fields, record: headers, realm, sharedRealm: sharedRealmOf(target, certificate) };
}
