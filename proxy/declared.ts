import type { Clock } from "../core/clock.ts";
import { type Entry, PUBLIC_REALM } from "../core/entry.ts";
import { LarderError } from "../core/errors.ts";
import { parseTarget } from "../core/target.ts";
import { canonicalUri } from "../ecosystems/repository-path.ts";
import { certificateShownTo } from "../policy/origin-access.ts";
import { isWholeRange } from "../policy/ranges.ts";
import type { DeclarationIndex, DeclaredResource, FoundBlob } from "../storage/declarations.ts";
import type { Store } from "../storage/store.ts";
import type { Errand } from "./errand.ts";
import { declaredVariant, type Fill } from "./fill.ts";
import type { FillOrder, FillSource } from "./fill-order.ts";
import type { Filling } from "./filling.ts";
import { type Fills, placeOf } from "./fills.ts";
import type { Generations } from "./generations.ts";
import type { Mismatches } from "./mismatches.ts";
import type { OriginResponse } from "./origin.ts";
import { sourceElsewhere, sourceOf, withoutQuery } from "./questions.ts";
import type { Reply } from "./reply.ts";
import { serveEntry, serveFill, servePass } from "./respond.ts";
import type { ProxySettings } from "./settings.ts";
import { isMismatch } from "./verify.ts";

export interface DeclaredDependencies {
  readonly index: DeclarationIndex;
  readonly store: Store;
  readonly fills: Fills;
  readonly filling: Filling;
  readonly generations: Generations;
  readonly mismatches: Mismatches;
  readonly clock: Clock;
  readonly settings: Pick<ProxySettings, "verifyRanges" | "rangeWaitBytes" | "originAccess">;
}

/** Places that are asked for one file, the one that the client named first. */
const MAX_SOURCES = 4;
/** How long a client may come back for the rest of an answer that was cut because its bytes were wrong. */
const CUT_MEMORY_MS = 60 * 60 * 1000;
const MAX_CUTS = 1_000;
const VARIANT_START = declaredVariant("");

/** Answers what a repository declares: by digest, wherever the bytes came from, and never with any others. */
export class DeclaredFiles {
  readonly #deps: DeclaredDependencies;
  /** Answers that were cut after bytes had gone out, by key, and until when that is remembered. */
  readonly #cut = new Map<string, number>();

  constructor(dependencies: DeclaredDependencies) {
    this.#deps = dependencies;
  }

  /** What is declared about the errand's target, once every index that is being read has had its say. */
  async find(errand: Errand): Promise<DeclaredResource | undefined> {
    const { view, context } = errand;
    // A root changes: what a list of mirrors says of its digest was right once.
    if (context.class === "root") return undefined;
    const uri = canonicalUri(withoutQuery(view.target));
    if (uri === undefined) return undefined;
    const found = this.#find(uri, errand);
    if (found !== undefined || context.class === "other") return found;
    const learnt = this.#deps.generations.whenLearnt(uri, view.realm);
    if (learnt === undefined) return undefined;
    await learnt;
    return this.#find(uri, errand);
  }

  async answer(errand: Errand, resource: DeclaredResource): Promise<void> {
    const { reply, view } = errand;
    if (resource.kind === "member") this.#deps.generations.noteMember(resource);
    if (this.#wasCut(errand.key)) reply.ignoresRange = true;
    await this.#deps.fills.committed(placeOf(errand.key, view.realm, resource.declaration.digest));
    const stored = this.#stored(errand, resource);
    if (stored !== undefined) {
      reply.record.cacheStatus = { hit: true };
      // It may have come under another name, and never been read as what it is here.
      if (resource.isIndex) this.#deps.generations.expectIndex(resource, Promise.resolve(stored));
      await serveEntry(reply, stored, { ...this.#deps, declared: resource.declaration });
      return;
    }
    reply.record.cacheStatus = { fwd: "uri-miss" };
    if (reply.request.headers["cache-control"]?.includes("only-if-cached")) {
      throw new LarderError("ONLY_IF_CACHED", "nothing is stored, and the request forbids asking the origin");
    }
    if (view.method === "HEAD") return await this.#deps.filling.pass(errand, { detail: "head" });
    await this.#fetch(errand, resource);
  }

  #find(uri: string, errand: Errand): DeclaredResource | undefined {
    const { index, clock, generations } = this.#deps;
    const prefers = generations.preferenceOf(errand);
    return index.find(uri, { realm: errand.view.realm, nowMs: clock(), prefers });
  }

  /** The entry of this URI with the declared digest, else any blob that has it and that the requester may have. */
  #stored(errand: Errand, { declaration }: DeclaredResource): Entry | undefined {
    const { store, index } = this.#deps;
    const { realm } = errand.view;
    const blob = index.findBlob(declaration, realm);
    const digest = declaration.algorithm === "sha256" ? declaration.digest : blob?.digest;
    const entry = store
      .find(errand.key)
      .find((known) => known.digest === digest && (known.realm === realm || known.realm === PUBLIC_REALM));
    return entry ?? (blob === undefined ? undefined : this.#entryOf(blob, errand));
  }

  /** An answer made of bytes that came under another name. */
  #entryOf({ digest, bytes }: FoundBlob, { key, view }: Errand): Entry {
    const nowMs = this.#deps.clock();
    const fields = ["Content-Type", "application/octet-stream", "Date", new Date(nowMs).toUTCString()];
    const times = { requestMs: nowMs, responseMs: nowMs, storedMs: nowMs };
    const variant = declaredVariant(digest);
    return {
      key,
      variant,
      realm: view.realm,
      status: 200,
      fields,
      selecting: [],
      digest,
      bytes,
      class: "payload",
      ...times,
    };
  }

  async #fetch(errand: Errand, resource: DeclaredResource): Promise<void> {
    const { reply } = errand;
    try {
      const { fill, isLeader } = this.#joinOrLead(errand, resource);
      if (!isLeader) reply.record.cacheStatus = { ...reply.record.cacheStatus, collapsed: true };
      else reply.record.countOriginBytes = () => fill.originBytes;
      const part = whatOfPart(reply, resource, this.#deps.settings);
      if (part === "pass") return await this.#deps.filling.pass(errand, { detail: "unverified-range" });
      if (part === "whole") reply.ignoresRange = true;
      await this.#fromFill(errand, fill, resource);
    } catch (error) {
      if (reply.response.headersSent) this.#noteCut(errand.key);
      throw this.#explain(error, resource);
    }
  }

  async #fromFill(errand: Errand, fill: Fill, resource: DeclaredResource): Promise<void> {
    const { reply } = errand;
    const head = await fill.head;
    if (head.kind === "pass") {
      const response = fill.takeResponse();
      if (response === undefined) {
        // What is passed on unverified is for one client alone; the others ask for themselves, in a fill again.
        await fill.settled;
        return await this.#fetch(errand, resource);
      }
      if (this.#isOfGoneGeneration(resource, response)) {
        await response.discard();
        throw goneGeneration(resource);
      }
      reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus: response.head.status, detail: head.reason };
      await servePass(reply, response);
      return;
    }
    if (head.kind !== "body") throw new LarderError("INTERNAL", "a fill of a declared file has nothing to revalidate");
    reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus: head.draft.status, stored: true };
    await serveFill(reply, fill, head, { ...this.#deps, declared: resource.declaration });
  }

  /** Once a root is known to be replaced, what its origin does not have is gone with it. */
  #isOfGoneGeneration({ kind, root }: DeclaredResource, { head }: OriginResponse): boolean {
    if (kind !== "member" || (head.status !== 404 && head.status !== 410)) return false;
    this.#deps.generations.noteDoubtful(root.uri);
    return this.#deps.generations.isOutdated(root.uri);
  }

  #joinOrLead(errand: Errand, resource: DeclaredResource): { fill: Fill; isLeader: boolean } {
    const { fills, generations } = this.#deps;
    const place = placeOf(errand.key, errand.view.realm, resource.declaration.digest);
    const running = fills.find(place);
    if (running !== undefined) return { fill: running, isLeader: false };
    const fill = fills.lead(place, this.#order(errand, resource));
    if (resource.isIndex)
      generations.expectIndex(
        resource,
        fill.settled.then(() => fill.stored),
      );
    return { fill, isLeader: true };
  }

  #order(errand: Errand, resource: DeclaredResource): FillOrder {
    const { index, mismatches } = this.#deps;
    const { declaration } = resource;
    return {
      request: errand.view,
      context: errand.context,
      key: errand.key,
      sources: this.#sources(errand, resource),
      entry: undefined,
      declared: declaration,
      onFault: (source, fault) => mismatches.note(source, fault, resource),
      onStored: (entry, source) => {
        mismatches.clear(source, resource);
        if (declaration.algorithm !== "sha256")
          index.noteAlias(declaration.algorithm, declaration.digest, entry.digest);
        return Promise.resolve();
      },
    };
  }

  /** The place that was asked for, the member's other names, the mirrors; places that lied about this path last. */
  #sources(errand: Errand, resource: DeclaredResource): readonly FillSource[] {
    const { index, clock, mismatches, settings } = this.#deps;
    const isPublic = errand.view.realm === PUBLIC_REALM;
    const elsewhere = isPublic ? [...index.otherNames(resource), ...index.alternateUris(resource, clock())] : [];
    // What larder gets by a certificate of its own is not what everyone may have.
    const open = elsewhere
      .map((uri) => parseTarget(uri))
      .filter((target) => certificateShownTo(target, settings.originAccess) === undefined);
    const sources = [sourceOf(errand), ...open.map((target) => sourceElsewhere(errand, target))];
    const trusted = sources.filter((source) => mismatches.trusts(source, resource));
    if (trusted.length > 0) return trusted.slice(0, MAX_SOURCES);
    throw new LarderError("DIGEST_MISMATCH", "every place that has this file gave wrong bytes for it a moment ago", {
      details: { declared: resource.declaration.digest, root: resource.root.uri },
    });
  }

  /** A member that is not what its root says, anywhere, is of a generation that the origin has replaced. */
  #explain(error: unknown, resource: DeclaredResource): unknown {
    if (resource.kind !== "member" || !(error instanceof LarderError) || !isMismatch(error)) return error;
    this.#deps.generations.noteOutdated(resource.root.uri);
    return goneGeneration(resource, error);
  }

  #noteCut(key: string): void {
    this.#cut.delete(key);
    this.#cut.set(key, this.#deps.clock() + CUT_MEMORY_MS);
    const [oldest] = this.#cut.keys();
    if (this.#cut.size > MAX_CUTS && oldest !== undefined) this.#cut.delete(oldest);
  }

  #wasCut(key: string): boolean {
    const until = this.#cut.get(key);
    return until !== undefined && until > this.#deps.clock();
  }
}

/** What was stored as declared, for a request about which nothing is declared (any more): newest first, as RFC 9111 has it. */
export function asUndeclared(entries: readonly Entry[]): readonly Entry[] {
  if (!entries.some(({ variant }) => variant.startsWith(VARIANT_START))) return entries;
  return entries.map((entry) => (entry.variant.startsWith(VARIANT_START) ? { ...entry, variant: "" } : entry));
}

/**
 * What becomes of a part of a file that is not stored yet: it waits for the verified whole, passes unverified, or gives way to
 * the whole. Who names what the part must belong to (If-Range) gets verified bytes, however long that takes.
 */
function whatOfPart(
  { request, ignoresRange }: Reply,
  { declaration }: DeclaredResource,
  { verifyRanges, rangeWaitBytes }: DeclaredDependencies["settings"],
): "wait" | "pass" | "whole" {
  const { range } = request.headers;
  if (range === undefined || isWholeRange(range) || ignoresRange === true) return "wait";
  if (request.headers["if-range"] !== undefined) return "wait";
  if (verifyRanges === "pass") return "pass";
  if ((declaration.bytes ?? Number.POSITIVE_INFINITY) <= rangeWaitBytes) return "wait";
  return verifyRanges === "refuse" ? "whole" : "pass";
}

function goneGeneration({ root }: DeclaredResource, cause?: LarderError): LarderError {
  return new LarderError("GENERATION_GONE", `the origin no longer has what ${root.uri} declares: take that anew`, {
    details: cause?.details ?? { root: root.uri },
    cause,
  });
}
