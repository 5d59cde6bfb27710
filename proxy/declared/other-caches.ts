import { entryKeyOf, PUBLIC_REALM } from "../../core/entry.ts";
import { makeTarget, type TargetUri } from "../../core/target.ts";
import { classify } from "../../ecosystems/classify.ts";
import { locateMetadata } from "../../ecosystems/locate.ts";
import { certificateShownTo } from "../../policy/access/origin-access.ts";
import type { DeclaredResource } from "../../storage/declarations.ts";
import type { Errand } from "../answer/errand.ts";
import { planContextOf } from "../answer/questions.ts";
import type { ProxySettings } from "../settings.ts";
import { parseCacheBase } from "../site/substituter.ts";

export interface OtherCachesDependencies {
  /** Fetches into the store what an errand is about, unless it is there and fresh. */
  readonly filling: { bring(errand: Errand): Promise<void> };
  readonly settings: ProxySettings;
}

/** How long a nar waits for what the other caches say: Nix counts a server that keeps silent for longer as stalled. */
const PATIENCE_MS = 5_000;

/**
 * The caches of Nix that are served as one: where one of them does not give a nar any more that its narinfo names, the
 * narinfos of the same path at the others tell whether they have the very same file.
 */
export class OtherCaches {
  readonly #deps: OtherCachesDependencies;
  readonly #bases: readonly TargetUri[];

  constructor(dependencies: OtherCachesDependencies) {
    this.#deps = dependencies;
    this.#bases = dependencies.settings.nixUpstreams.map(parseCacheBase);
  }

  /**
   * Has the narinfos of the others fetched and learnt, where they are not known; resolves when all have answered, or
   * patience ends.
   */
  async ask(errand: Errand, { root }: DeclaredResource): Promise<void> {
    const asked = this.#othersOf(root.uri).map((target) => this.#deps.filling.bring(this.#errandFor(errand, target)));
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS);
    });
    await Promise.race([Promise.all(asked), patience]);
    clearTimeout(timer);
  }

  /** The same narinfo at the other caches; none by http what came by https, and none that is not everybody's. */
  #othersOf(narinfoUri: string): readonly TargetUri[] {
    const [own] = this.#bases
      .filter(({ uri }) => narinfoUri.startsWith(uri))
      .sort((one, other) => other.uri.length - one.uri.length);
    if (own === undefined) return [];
    const name = narinfoUri.slice(own.uri.length);
    return this.#bases
      .filter((base) => base !== own && (base.scheme === "https" || own.scheme === "http"))
      .map((base) => makeTarget(base.scheme, base, base.path + name))
      .filter((target) => certificateShownTo(target, this.#deps.settings.originAccess) === undefined);
  }

  /** Asked by larder itself: nothing that the client sent along is meant for this cache. */
  #errandFor({ reply }: Errand, target: TargetUri): Errand {
    const classification = classify(target, {});
    const shared = { realm: PUBLIC_REALM, sharedRealm: PUBLIC_REALM };
    return {
      reply,
      view: { method: "GET", target, fields: [], record: {}, ...shared },
      context: planContextOf(classification, this.#deps.settings),
      key: entryKeyOf("GET", target.uri),
      place: locateMetadata(target, classification.ecosystem),
      signature: classification.signature,
    };
  }
}
