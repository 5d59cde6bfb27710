import type { Clock } from "../../core/clock.ts";
import { type Declaration, isStrong } from "../../core/declaration.ts";
import { type Entry, PUBLIC_REALM } from "../../core/entry.ts";
import { LarderError } from "../../core/errors.ts";
import { parseTarget } from "../../core/target.ts";
import type { Learner } from "../../learn/learner.ts";
import { certificateShownTo } from "../../policy/access/origin-access.ts";
import type { DeclarationIndex, DeclaredResource } from "../../storage/declarations.ts";
import type { Errand } from "../answer/errand.ts";
import { sourceElsewhere, sourceOf } from "../answer/questions.ts";
import type { Fill } from "../fill/fill.ts";
import type { FillOrder, FillSource } from "../fill/fill-order.ts";
import { type Fills, placeOf } from "../fill/fills.ts";
import type { ProxySettings } from "../settings.ts";
import type { Generations } from "./generations.ts";
import type { Mismatches } from "./mismatches.ts";
import type { NarChecks } from "./nar-checks.ts";
import type { OtherCaches } from "./other-caches.ts";

export interface DeclaredFillsDependencies {
  readonly index: DeclarationIndex;
  readonly fills: Fills;
  readonly generations: Generations;
  readonly learner: Pick<Learner, "hash">;
  readonly mismatches: Mismatches;
  readonly otherCaches: Pick<OtherCaches, "ask">;
  /** `undefined`: nars are believed by their FileHash. */
  readonly narChecks?: NarChecks | undefined;
  readonly clock: Clock;
  readonly settings: Pick<ProxySettings, "originAccess">;
}

/**
 * Places that are asked for one file, the one that the client named first, and how many may be other names of it there.
 */
const MAX_SOURCES = 5;
const MAX_NAMES = 2;
/** Formats whose indexes choose among digests; all others declare sha256. */
const MANY_DIGESTS: ReadonlySet<string> = new Set(["pypi", "npm"]);
/**
 * How long a client may come back for the rest of what was never verified: partial downloads lie in caches for days.
 */
const UNPROVEN_FOR_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Has declared files fetched, from wherever they can be had, and keeps account of what went out before it was verified.
 */
export class DeclaredFills {
  readonly #deps: DeclaredFillsDependencies;

  constructor(dependencies: DeclaredFillsDependencies) {
    this.#deps = dependencies;
  }

  /** Whether bytes went out for the key that have not proved right: their rest is nobody's to have. */
  isUnproven(key: string): boolean {
    const { index, clock } = this.#deps;
    return index.unproven.has(key, clock());
  }

  /**
   * The fill of the resource that is under way, or a new one.
   * @param held what the store has of it for others only
   * @throws LarderError `DIGEST_MISMATCH` when no place can be asked
   */
  joinOrLead(
    errand: Errand,
    resource: DeclaredResource,
    held: Entry | undefined,
  ): { readonly fill: Fill; readonly isLeader: boolean } {
    const running = this.#deps.fills.find(placeFor(errand, resource));
    if (running !== undefined) return { fill: running, isLeader: false };
    return { fill: this.#lead(errand, resource, { held }), isLeader: true };
  }

  /**
   * A fill under way that brings the same bytes under another name, from another mirror mostly; for what is public, by
   * a digest that nobody can forge.
   */
  findElsewhere(errand: Errand, resource: DeclaredResource): Fill | undefined {
    const { declaration } = resource;
    const isPublic = errand.view.realm === PUBLIC_REALM;
    if (!isPublic || !isStrong(declaration.algorithm)) return undefined;
    if (this.#deps.fills.find(placeFor(errand, resource)) !== undefined) return undefined;
    return this.#deps.fills.findDeclared(declaration);
  }

  /** Bytes of that fill go out under this errand's name, too: noted as unproven until the fill has proved right. */
  noteElsewhere(errand: Errand, resource: DeclaredResource, fill: Fill): void {
    const { onUnproven, onProven } = this.#account(errand, resource);
    onUnproven?.();
    void fill.settled.then(() => (fill.stored === undefined ? undefined : onProven?.()));
  }

  #lead(errand: Errand, resource: DeclaredResource, special: Pick<FillOrder, "held" | "isWhole">): Fill {
    const { fills, generations } = this.#deps;
    let isSpliced = false;
    const onSpliced = (): void => {
      isSpliced = true;
    };
    const order = this.#order(errand, resource);
    // Only the place that the requester named can say what the requester may have.
    const held = order.sources[0]?.target === errand.view.target ? special.held : undefined;
    const fill = fills.lead(placeFor(errand, resource), { ...order, ...special, held, onSpliced });
    if (resource.isIndex)
      generations.expectIndex(
        resource,
        fill.settled.then(() => fill.stored),
      );
    void fill.settled.then(() => (isSpliced ? this.#fetchWhole(errand, resource) : undefined));
    return fill;
  }

  /** Who was at fault that pieces were wrong together is found out behind the answer; who comes back waits for that. */
  #fetchWhole(errand: Errand, resource: DeclaredResource): void {
    if (this.#deps.fills.find(placeFor(errand, resource)) !== undefined) return;
    this.#lead(errand, resource, { isWhole: true });
  }

  #order(errand: Errand, resource: DeclaredResource): FillOrder {
    const { index, mismatches, narChecks } = this.#deps;
    const { declaration } = resource;
    const sources = this.#sources(errand, resource);
    return {
      request: errand.view,
      context: errand.context,
      key: errand.key,
      sources,
      ...this.#moreSources(errand, resource, sources),
      entry: undefined,
      declared: declaration,
      onFault: (source, fault) => mismatches.note(source, fault, resource),
      ...this.#account(errand, resource),
      onStored: (entry, source) => {
        mismatches.clear(source, resource);
        if (declaration.algorithm !== "sha256")
          index.noteAlias(declaration.algorithm, declaration.digest, entry.digest);
        if (resource.kind === "payload" && MANY_DIGESTS.has(resource.ecosystem))
          void this.#noteAlias(entry, declaration);
        narChecks?.noteStored(entry, source, resource);
        return Promise.resolve();
      },
    };
  }

  /** Another index may declare the same bytes by sha512. */
  async #noteAlias({ digest: blob }: Entry, { algorithm }: Declaration): Promise<void> {
    const { index, learner } = this.#deps;
    if (algorithm === "sha512") return;
    const digest = await learner.hash(blob, "sha512");
    if (digest !== undefined) index.noteAlias("sha512", digest, blob);
  }

  /** The note is written before the first unverified byte goes out, and stands unless this very fill proves right. */
  #account(errand: Errand, resource: DeclaredResource): Pick<FillOrder, "onUnproven" | "onProven"> {
    const { unproven } = this.#deps.index;
    const place = placeFor(errand, resource);
    let isOurs = false;
    return {
      onUnproven: () => {
        const nowMs = this.#deps.clock();
        isOurs = unproven.note(errand.key, place, { nowMs, untilMs: nowMs + UNPROVEN_FOR_MS });
      },
      onProven: () => {
        if (isOurs) unproven.clear(errand.key, place);
      },
    };
  }

  /** Where one cache of Nix has failed, the others are asked once what they have of the same path. */
  #moreSources(errand: Errand, resource: DeclaredResource, known: readonly FillSource[]): Pick<FillOrder, "findMore"> {
    const { kind, ecosystem } = resource;
    if (ecosystem !== "nix" || kind !== "payload" || errand.view.realm !== PUBLIC_REALM) return {};
    const asked = new Set(known.map(({ target }) => target.uri));
    let found: Promise<readonly FillSource[]> | undefined;
    const find = async (): Promise<readonly FillSource[]> => {
      // Who asks for its narinfo next is told of it only if it still stands.
      this.#deps.generations.noteOutdated(resource.root.uri);
      await this.#deps.otherCaches.ask(errand, resource);
      return this.#places(errand, resource).filter(({ target }) => !asked.has(target.uri));
    };
    return {
      findMore: () => {
        found ??= find();
        return found;
      },
    };
  }

  /** @throws LarderError `DIGEST_MISMATCH` when none is left. */
  #sources(errand: Errand, resource: DeclaredResource): readonly FillSource[] {
    const places = this.#places(errand, resource);
    if (places.length > 0) return places;
    throw new LarderError("DIGEST_MISMATCH", "every place that has this file gave wrong bytes for it a moment ago", {
      details: { declared: resource.declaration.digest, root: resource.root.uri },
    });
  }

  /**
   * The place that was asked for, the member's other names, the mirrors; last what gave wrong bytes for this file
   * lately.
   */
  #places(errand: Errand, resource: DeclaredResource): readonly FillSource[] {
    const { index, clock, mismatches, settings } = this.#deps;
    const isPublic = errand.view.realm === PUBLIC_REALM;
    const names = isPublic ? index.otherNames(resource).slice(0, MAX_NAMES) : [];
    const mirrors = isPublic ? index.alternateUris(resource, clock()) : [];
    // What larder gets by a certificate of its own is not what everyone may have.
    const open = [...names, ...mirrors]
      .map((uri) => parseTarget(uri))
      .filter((target) => certificateShownTo(target, settings.originAccess) === undefined);
    const elsewhere = open.map((target) => sourceElsewhere(errand, target));
    return mismatches.inOrder([sourceOf(errand), ...elsewhere], resource).slice(0, MAX_SOURCES);
  }
}

function placeFor({ key, view }: Errand, { declaration }: DeclaredResource): string {
  return placeOf(key, view.realm, declaration.digest);
}
