import type { Clock } from "../../core/clock.ts";
import { type Entry, entryKeyOf, PUBLIC_REALM } from "../../core/entry.ts";
import { LarderError } from "../../core/errors.ts";
import { declaredNames } from "../../ecosystems/repository-path.ts";
import { isWholeRange } from "../../policy/fields/ranges.ts";
import type { ReleaseAgeRules } from "../../policy/release-age.ts";
import { signingParameters } from "../../policy/signed-query.ts";
import type { DeclarationIndex, DeclaredResource, FoundBlob } from "../../storage/declarations.ts";
import type { Store } from "../../storage/store.ts";
import type { Errand } from "../answer/errand.ts";
import { withoutQuery } from "../answer/questions.ts";
import { checkAge } from "../answer/release-age.ts";
import type { Reply } from "../answer/reply.ts";
import { serveEntry, serveFill, servePass } from "../answer/respond.ts";
import { wantedResource } from "../answer/wanted.ts";
import type { Fill } from "../fill/fill.ts";
import { type Fills, placeOf } from "../fill/fills.ts";
import { declaredVariant } from "../fill/keeping.ts";
import { isMismatch } from "../fill/verify.ts";
import type { OriginResponse } from "../origin/origin.ts";
import type { ProxySettings } from "../settings.ts";
import type { DeclaredFills } from "./declared-fills.ts";
import type { Generations } from "./generations.ts";

/** The ways past the store, for what of a declared file cannot be verified. */
export interface PastTheStore {
  /** Hands on what the origin answers. `detail` tells why, as Cache-Status does. */
  pass(errand: Errand, why: { readonly detail: string }): Promise<void>;
  /** Hands on just the part that was asked for, of a file of `bytes`. @returns false when the origin answers something else */
  passPart(errand: Errand, bytes: number | undefined): Promise<boolean>;
}

export interface DeclaredDependencies {
  readonly index: DeclarationIndex;
  readonly store: Store;
  readonly fills: Fills;
  readonly filling: PastTheStore;
  readonly generations: Generations;
  readonly declaredFills: DeclaredFills;
  readonly clock: Clock;
  readonly settings: Pick<ProxySettings, "verifyRanges" | "rangeWaitBytes"> & ReleaseAgeRules;
}

const VARIANT_START = declaredVariant("");

/** Answers what a repository declares: by digest, wherever the bytes came from, and never with any others. */
export class DeclaredFiles {
  readonly #deps: DeclaredDependencies;

  constructor(dependencies: DeclaredDependencies) {
    this.#deps = dependencies;
  }

  /** What is declared about the errand's target, once every index that is being read has had its say. */
  async find(errand: Errand): Promise<DeclaredResource | undefined> {
    const { view, context } = errand;
    // A root changes: what a list of mirrors says of its digest was right once.
    if (context.class === "root") return undefined;
    const names = declaredNames(view.target);
    const [name] = names;
    if (name === undefined) return undefined;
    const found = this.#find(names, errand);
    if (context.class === "other" || (found !== undefined && this.#isLastWord(found, errand))) return found;
    await this.#deps.generations.whenLearnt(name, view.realm);
    return this.#find(names, errand) ?? wantedResource(name, errand, this.#deps.clock());
  }

  async answer(asked: Errand, resource: DeclaredResource): Promise<void> {
    // One file, whatever signs the question for it.
    const errand = { ...asked, key: entryKeyOf("GET", withoutQuery(asked.view.target).uri) };
    const { reply, view } = errand;
    checkAge(resource, this.#deps.settings, this.#deps.clock());
    if (resource.kind === "member") this.#deps.generations.noteMember(resource);
    const asksForPart = reply.request.headers.range !== undefined;
    if (asksForPart && this.#deps.declaredFills.isUnproven(errand.key)) reply.ignoresRange = true;
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

  /**
   * Whether no index that is being read can say otherwise: not of a payload whose generation is another than the client's, which may
   * have the index of its root for milliseconds only.
   */
  #isLastWord({ kind, root }: DeclaredResource, errand: Errand): boolean {
    return kind === "member" || this.#deps.generations.preferenceOf(errand)(root.digest);
  }

  #find(names: readonly string[], errand: Errand): DeclaredResource | undefined {
    const { index, clock, generations } = this.#deps;
    const { realm, sharedRealm, target } = errand.view;
    const options = { nowMs: clock(), prefers: generations.preferenceOf(errand) };
    // A signature is of one question, and says nothing about the repository that the file is of.
    const realms = signingParameters(target.path).length > 0 ? [realm, sharedRealm] : [realm];
    for (const whose of realms)
      for (const name of names) {
        const found = index.find(name, { ...options, realm: whose });
        if (found !== undefined) return found;
      }
    return undefined;
  }

  /** The entry of this URI with the declared digest, else any blob that has it and that the requester may have. */
  #stored(errand: Errand, { declaration }: DeclaredResource): Entry | undefined {
    const { store, index } = this.#deps;
    const { realm } = errand.view;
    const blob = index.findBlob(declaration, realm);
    // What came from this very URI is known again by a weak digest, too.
    const digest = index.blobSeenWith(declaration);
    const entry = store
      .find(errand.key)
      .find((known) => known.digest === digest && (known.realm === realm || known.realm === PUBLIC_REALM));
    const stored = entry ?? (blob === undefined ? undefined : this.#entryOf(blob, errand));
    return stored?.digest === errand.unreadable ? undefined : stored;
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
    const elsewhere = this.#deps.declaredFills.findElsewhere(errand, resource);
    if (elsewhere !== undefined && (await this.#fromElsewhere(errand, elsewhere, resource))) return;
    try {
      const { fill, isLeader } = this.#deps.declaredFills.joinOrLead(errand, resource, this.#held(errand, resource));
      if (!isLeader) reply.record.cacheStatus = { ...reply.record.cacheStatus, collapsed: true };
      else reply.record.countOriginBytes = () => fill.originBytes;
      const isPart = reply.request.headers.range !== undefined;
      const bytes = resource.declaration.bytes ?? (isPart ? await fill.length : undefined);
      const part = whatOfPart(reply, bytes, this.#deps.settings);
      if (part === "pass" && (await this.#deps.filling.passPart(errand, bytes))) return;
      if (part !== "wait") reply.ignoresRange = true;
      await this.#fromFill(errand, fill, resource);
    } catch (error) {
      throw await this.#explain(error, errand, resource);
    }
  }

  /** The same bytes are on their way from another mirror. @returns whether they were the answer */
  async #fromElsewhere(errand: Errand, fill: Fill, resource: DeclaredResource): Promise<boolean> {
    const { reply } = errand;
    const asksForPart = reply.request.headers.range !== undefined;
    if (asksForPart && !fill.hasLastByte) return false;
    if (fill.hasLastByte) {
      await fill.settled;
      const stored = this.#stored(errand, resource);
      if (stored === undefined) return false;
      reply.record.cacheStatus = { hit: true };
      await serveEntry(reply, stored, { ...this.#deps, declared: resource.declaration });
      return true;
    }
    const head = await fill.head.catch(() => undefined);
    if (head?.kind !== "body") return false;
    this.#deps.declaredFills.noteElsewhere(errand, resource, fill);
    const fwdStatus = head.draft.status;
    reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus, stored: true, collapsed: true };
    await serveFill(reply, fill, head, { ...this.#deps, declared: resource.declaration });
    return true;
  }

  /** What the store has of this very file for others; whether the requester may have it, the origin says. */
  #held(errand: Errand, { declaration }: DeclaredResource): Entry | undefined {
    const { store, index } = this.#deps;
    const entry = store.find(errand.key).find(({ variant, realm }) => {
      const blob = variant.startsWith(VARIANT_START) ? index.findBlob(declaration, realm) : undefined;
      return blob !== undefined && variant === declaredVariant(blob.digest);
    });
    return entry === undefined || entry.digest === errand.unreadable ? undefined : this.#entryOf(entry, errand);
  }

  async #serveGranted(errand: Errand, entry: Entry, { declaration }: DeclaredResource): Promise<void> {
    const { index } = this.#deps;
    index.grant(entry.digest, entry.realm);
    await serveEntry(errand.reply, entry, { ...this.#deps, declared: declaration });
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
      if (await this.#isGone(errand, resource, response)) {
        response.discard();
        throw goneGeneration(resource);
      }
      reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus: response.head.status, detail: head.reason };
      await servePass(reply, response);
      return;
    }
    if (head.kind === "freshened") return await this.#serveGranted(errand, head.entry, resource);
    if (head.kind === "stale") throw new LarderError("INTERNAL", "a declared file is never stale");
    reply.record.cacheStatus = { ...reply.record.cacheStatus, fwdStatus: head.draft.status, stored: true };
    await serveFill(reply, fill, head, { ...this.#deps, declared: resource.declaration });
  }

  /** The origin has published another root: what it does not have is gone with the one before. */
  async #isGone(errand: Errand, { kind, root }: DeclaredResource, { head }: OriginResponse): Promise<boolean> {
    if (kind !== "member" || (head.status !== 404 && head.status !== 410)) return false;
    return await this.#deps.generations.isReplaced(errand, root);
  }

  /** What is not what its root says, anywhere, may be of a generation that the origin has replaced. */
  async #explain(error: unknown, errand: Errand, resource: DeclaredResource): Promise<unknown> {
    if (!(error instanceof LarderError) || !isMismatch(error)) return error;
    const { generations } = this.#deps;
    // Wherever wrong bytes come from, a mirror that is being synchronised has its files before its root: that is asked
    // for anew.
    generations.noteOutdated(resource.root.uri);
    if (resource.kind !== "member" || errand.reply.response.headersSent) return error;
    return (await generations.isReplaced(errand, resource.root)) ? goneGeneration(resource, error) : error;
  }
}

/**
 * What was stored as declared, for a request about which nothing is declared (any more): newest first, as RFC 9111 has
 * it.
 */
export function asUndeclared(entries: readonly Entry[]): readonly Entry[] {
  if (!entries.some(({ variant }) => variant.startsWith(VARIANT_START))) return entries;
  return entries.map((entry) => (entry.variant.startsWith(VARIANT_START) ? { ...entry, variant: "" } : entry));
}

/**
 * What becomes of a part of a file that is not stored yet: it waits for the verified whole, passes unverified, or gives
 * way to the whole. Who names what the part must belong to (If-Range) gets verified bytes, however long that takes.
 */
function whatOfPart(
  { request, ignoresRange }: Reply,
  bytes: number | undefined,
  { verifyRanges, rangeWaitBytes }: DeclaredDependencies["settings"],
): "wait" | "pass" | "whole" {
  const { range } = request.headers;
  if (range === undefined || isWholeRange(range, bytes) || ignoresRange === true) return "wait";
  if (request.headers["if-range"] !== undefined) return "wait";
  if (verifyRanges === "pass") return "pass";
  if ((bytes ?? Number.POSITIVE_INFINITY) <= rangeWaitBytes) return "wait";
  return verifyRanges === "refuse" ? "whole" : "pass";
}

function goneGeneration({ root }: DeclaredResource, cause?: LarderError): LarderError {
  return new LarderError("GENERATION_GONE", `the origin no longer has what ${root.uri} declares: take that anew`, {
    details: cause?.details ?? { root: root.uri },
    cause,
  });
}
