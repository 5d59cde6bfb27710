import type { Clock } from "../../core/clock.ts";
import type { Declaration } from "../../core/declaration.ts";
import { type Digest, digestOf } from "../../core/digest.ts";
import { type Entry, entryKeyOf, type Realm } from "../../core/entry.ts";
import { fieldValue } from "../../core/fields.ts";
import { parseTarget, type TargetUri } from "../../core/target.ts";
import type { MetadataPlace, RepositoryPlace } from "../../ecosystems/metadata.ts";
import { canonicalUri } from "../../ecosystems/repository-path.ts";
import type { Learner } from "../../learn/learner.ts";
import type { DeclarationIndex, DeclaredResource, RootSeen } from "../../storage/declarations.ts";
import type { Errand } from "../answer/errand.ts";
import { sourceBeside, sourceElsewhere } from "../answer/questions.ts";
import type { FillOrder } from "../fill/fill-order.ts";
import { type Fills, placeOf } from "../fill/fills.ts";
import { readAtMost } from "../fill/read-at-most.ts";
import { askThroughRedirects } from "../fill/redirects.ts";
import type { Origin } from "../origin/origin.ts";
import type { Mismatches } from "./mismatches.ts";
import { bounded } from "./patience.ts";
import type { TakenRoots } from "./taken-roots.ts";

export interface GenerationsDependencies {
  readonly index: DeclarationIndex;
  readonly learner: Learner;
  readonly fills: Fills;
  readonly origin: Origin;
  readonly mismatches: Mismatches;
  readonly taken: TakenRoots;
  readonly clock: Clock;
}

/** Members up to this length are fetched anew with a changed root. */
const MAX_PREFETCH_BYTES = 64 * 1024 * 1024;
/** How long a changed root waits for them: apt and dnf give a silent server two minutes. */
const PREFETCH_PATIENCE_MS = 30_000;
/**
 * How long a request waits for an index that is still being read, and is answered undeclared after that: 70,000 packages took 13 s on two
 * cores with a load of 20, and apt and dnf leave a server that is silent for 30 s.
 */
const LEARNING_PATIENCE_MS = 25_000;
/** How long the client of a member that is not there waits until it is known why. */
const ROOT_PATIENCE_MS = 10_000;
/** Debian's InRelease has 200 KB. */
const MAX_ROOT_BYTES = 32 * 1024 * 1024;
/** Members remembered for each root. */
const MAX_MEMBERS = 64;

/**
 * Keeps an index and its files of one generation: learns what roots and members declare before their clients act on it,
 * remembers which root each client took, and brings a changed root's members in before the root goes out.
 */
export class Generations {
  readonly #deps: GenerationsDependencies;
  /** Indexes that are being fetched or read, by the base they speak about. */
  readonly #pending = new Map<string, Set<Promise<void>>>();
  /** Members that clients asked for by name, by base and scope. */
  readonly #members = new Map<string, Set<string>>();
  /** The signatures beside roots that clients asked for, by the root's URI. */
  readonly #signatures = new Map<string, TargetUri>();
  /** Roots whose members the origin no longer has: they are asked for anew at their next use. */
  readonly #outdated = new Set<string>();
  /** Origins that are being asked what root they have now. */
  readonly #asking = new Map<string, Promise<Digest | undefined>>();

  constructor(dependencies: GenerationsDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Learns what a root or list of mirrors declares that was stored or found current just now; resolves when it may be
   * served. Never rejects.
   */
  async learnRoot(errand: Errand, entry: Entry): Promise<void> {
    const { place } = errand;
    if (place === undefined || entry.status !== 200) return;
    if (place.role === "root") this.#outdated.delete(uriOf(place));
    const isNew = !this.#isKnown(place, entry);
    await this.#learn(errand.view.target, entry, place);
    if (isHeldWithPayloads(errand)) this.#deps.index.noteCompanions(entry.digest, this.#payloadsOf(place, entry));
    if (isNew && place.role === "root") await this.#fetchMembers(errand);
  }

  /** The same for one that is served without asking its origin: mostly it is known. */
  async learnAgain(errand: Errand, entry: Entry): Promise<void> {
    if (errand.place !== undefined && !this.#isKnown(errand.place, entry)) await this.learnRoot(errand, entry);
  }

  /** Whether all is stored that a root says anything about; asked only of those that say nothing else. */
  isComplete(errand: Errand, entry: Entry): boolean {
    const { place, view } = errand;
    if (place === undefined || !isHeldWithPayloads(errand) || entry.status !== 200) return false;
    const payloads = this.#payloadsOf(place, entry);
    const isStored = (payload: Declaration): boolean => this.#deps.index.findBlob(payload, view.realm) !== undefined;
    return payloads.length > 0 && payloads.every(isStored);
  }

  #payloadsOf(place: MetadataPlace, { digest }: Entry): readonly Declaration[] {
    if (place.role !== "root") return [];
    const { ecosystem, scope = "" } = place;
    return this.#deps.index.payloadsOf({ ecosystem, scope, digest }) ?? [];
  }

  /** An index is on its way: requests under its base wait for it. @param fetched resolves with the entry when its fill has ended */
  expectIndex({ base, path, realm }: DeclaredResource, fetched: Promise<Entry | undefined>): void {
    const learnt = fetched.then((entry) =>
      entry === undefined ? undefined : this.#learn(parseTarget(base + path), { ...entry, realm }),
    );
    const waiting = this.#pending.get(base) ?? new Set();
    this.#pending.set(base, waiting);
    waiting.add(learnt);
    void learnt.finally(() => {
      waiting.delete(learnt);
      if (waiting.size === 0) this.#pending.delete(base);
    });
  }

  /** Resolves when no index that could declare this URI is being fetched or read, or patience ends; `undefined` when none is. */
  whenLearnt(uri: string, realm: Realm): Promise<void> | undefined {
    if (this.#pending.size === 0) return this.#deps.learner.pending(uri, realm);
    const waiting = [...this.#pending]
      .filter(([base]) => uri.startsWith(base))
      .flatMap(([, promises]) => [...promises]);
    return waiting.length === 0
      ? this.#deps.learner.pending(uri, realm)
      : bounded(Promise.all(waiting), LEARNING_PATIENCE_MS);
  }

  /** Remembers that the client of this errand took this root: members and payloads are its generation's from now on. */
  noteTaken(errand: Errand, { digest }: Entry): void {
    const { place } = errand;
    if (place?.role !== "root") return;
    this.#deps.taken.note(errand.reply.record.way, place, digest);
  }

  /** Tells the roots that the client took last. */
  preferenceOf({ reply }: Errand): (root: Digest) => boolean {
    return this.#deps.taken.preferenceOf(reply.record.way);
  }

  /** Remembers a member that a client asked for, so that it is there when its root changes. */
  noteMember(resource: DeclaredResource): void {
    const names = [resource.base + resource.path, ...this.#deps.index.otherNames(resource)];
    const name = names.find((uri) => !uri.includes("/by-hash/"));
    if (name === undefined) return;
    const members = this.#members.get(resource.root.uri) ?? new Set();
    this.#members.set(resource.root.uri, members);
    if (members.size < MAX_MEMBERS) members.add(name);
  }

  /**
   * Remembers that clients check this signature of a root: when the root changes, both come in as a set.
   * @param suffix what the signature's name has more than the root's
   */
  noteSignature(target: TargetUri, suffix: string): void {
    const uri = canonicalUri(target);
    if (uri !== undefined) this.#signatures.set(uri.slice(0, -suffix.length), target);
  }

  /** The origin has no bytes for what this root declares: it must have published another. */
  noteOutdated(rootUri: string): void {
    this.#outdated.add(rootUri);
  }

  /** Whether the root's origin is to be asked before the root is used again. */
  isOutdated(rootUri: string): boolean {
    return this.#outdated.has(rootUri);
  }

  /**
   * Whether the origin has another root by now: then what this one declares may be gone. It is asked, as whoever asked for the
   * member; where it gives no answer, nothing is known to be replaced.
   */
  async isReplaced(errand: Errand, root: Pick<RootSeen, "uri" | "digest">): Promise<boolean> {
    const name = `${errand.view.realm} ${root.uri}`;
    const asking = this.#asking.get(name) ?? this.#digestAtOrigin(errand, root.uri);
    this.#asking.set(name, asking);
    const digest = await asking.finally(() => this.#asking.delete(name));
    const isReplaced = digest !== undefined && digest !== root.digest;
    if (isReplaced) this.noteOutdated(root.uri);
    return isReplaced;
  }

  async #digestAtOrigin(errand: Errand, rootUri: string): Promise<Digest | undefined> {
    const target = parseTarget(rootUri);
    const isSameOrigin =
      target.scheme === errand.view.target.scheme && target.authority === errand.view.target.authority;
    const source = isSameOrigin ? sourceBeside(errand, target) : sourceElsewhere(errand, target);
    const signal = AbortSignal.timeout(ROOT_PATIENCE_MS);
    try {
      const fields = source.fieldsToOrigin(false);
      const { head, body } = await askThroughRedirects(this.#deps.origin, { target, fields, signal });
      const text = await readAtMost(body, MAX_ROOT_BYTES);
      return head.status === 200 && text !== undefined ? digestOf(text) : undefined;
    } catch {
      return undefined;
    }
  }

  /** A list of mirrors is small, and holds for a time from when it was last seen: it is read anew each time. */
  #isKnown(place: MetadataPlace, { digest }: Entry): boolean {
    if (place.role === "mirrors") return false;
    const { ecosystem, scope = "" } = place;
    return this.#deps.index.isKnown({ ecosystem, scope, digest });
  }

  /** What is declared is stored as it is declared, whatever coding its origin named. */
  async #learn(target: TargetUri, { digest, realm, fields }: Entry, place?: MetadataPlace): Promise<void> {
    const coding = place === undefined ? undefined : fieldValue(fields, "content-encoding");
    await this.#deps.learner.learn({ target, digest, realm, place, coding });
  }

  /** A repository republished in mid-update must not cause a hash mismatch: the members come in with their root. */
  async #fetchMembers(errand: Errand): Promise<void> {
    const { place } = errand;
    if (place?.role !== "root") return;
    const members = this.#members.get(uriOf(place)) ?? [];
    const signature = this.#signatures.get(uriOf(place));
    const fetches = [...members].map((uri) => this.#fetchMember(errand, uri));
    if (signature !== undefined) fetches.push(this.#fetchSignature(errand, signature));
    await bounded(Promise.all(fetches), PREFETCH_PATIENCE_MS);
  }

  async #fetchSignature(errand: Errand, target: TargetUri): Promise<void> {
    const { view, context } = errand;
    const key = entryKeyOf("GET", target.uri);
    const order = {
      request: { ...view, target },
      context,
      key,
      sources: [sourceBeside(errand, target)],
      entry: undefined,
      declared: undefined,
    };
    await this.#deps.fills.lead(placeOf(key, view.realm), order, "members").settled;
  }

  async #fetchMember(errand: Errand, uri: string): Promise<void> {
    const { index, fills, mismatches, clock } = this.#deps;
    const { realm } = errand.view;
    const resource = index.find(uri, { realm, nowMs: clock() });
    if (resource === undefined || (resource.declaration.bytes ?? 0) > MAX_PREFETCH_BYTES) return;
    if (index.findBlob(resource.declaration, realm) !== undefined) return;
    const target = parseTarget(uri);
    const key = entryKeyOf("GET", target.uri);
    const place = placeOf(key, realm, resource.declaration.digest);
    const running = fills.find(place);
    const order: FillOrder = {
      request: { ...errand.view, target },
      context: { ...errand.context, class: "member" },
      key,
      // All below the base of the root, so with what the client sent there.
      sources: [uri, ...index.otherNames(resource)].map((name) => sourceBeside(errand, parseTarget(name))),
      entry: undefined,
      declared: resource.declaration,
      onFault: (source, fault) => mismatches.note(source, fault, resource),
    };
    const fill = running ?? fills.lead(place, order, "members");
    if (running === undefined && resource.isIndex)
      this.expectIndex(
        resource,
        fill.settled.then(() => fill.stored),
      );
    await fill.settled;
  }
}

/** Whether the root of this errand holds as long as its payloads are stored. */
function isHeldWithPayloads({ reply }: Errand): boolean {
  return reply.record.classification?.holdsWithPayloads === true;
}

/** As declarations call it. */
export function uriOf({ base, path }: RepositoryPlace): string {
  return base + path;
}
