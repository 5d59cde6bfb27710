import type { IncomingMessage } from "node:http";
import { LarderError, toLarderError } from "../../core/errors.ts";
import { makeTarget, parseTarget, type TargetUri } from "../../core/target.ts";
import type { DerivedPages } from "./derived-pages.ts";
import { checkReading, Mirror } from "./mirror.ts";

/** `/nix/…`: binary caches of Nix in one, for machines that are given no CA and no proxy. */
const NIX_PATH = /^\/nix\/(?:([^/?]+)\/)?(.*)$/;
const INFO_PATH = /^\/nix\/(?:[^/?]+\/)?nix-cache-info$/;
/** What a cache says that does not have it; S3 forbids what it has not to those who may not list. */
const ABSENT: ReadonlySet<number> = new Set([401, 403, 404, 410]);

interface Upstream {
  readonly name: string;
  /** Ends in `/`. */
  readonly base: TargetUri;
}

/** One request for `/nix/…`: the same path at each cache that may have it, in the order of the configuration. */
export type Substitution = readonly [Mirror, ...Mirror[]];

/**
 * The caches of Nix that larder serves as one. Signatures pass as they are, and nothing is signed here. A narinfo says
 * which of the caches its nar is to be fetched from: the two are always of the same one.
 */
export class Substituter {
  readonly #upstreams: readonly Upstream[];
  readonly #pages: DerivedPages;

  /** @param bases URLs of caches, the first to be asked first */
  constructor(bases: readonly string[], pages: DerivedPages) {
    this.#pages = pages;
    this.#upstreams = bases.map(parseCacheBase).map((base) => ({ name: nameOf(base), base }));
  }

  /**
   * Priority 30 goes before the public cache's 40.
   * @returns `undefined` for another page, or when there is no cache to serve.
   */
  cacheInfo(path: string): string | undefined {
    if (this.#upstreams.length === 0 || !INFO_PATH.test(path)) return undefined;
    return "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n";
  }

  /**
   * Reads a request for what caches have.
   * @returns `undefined` for other requests.
   * @throws LarderError `HOST_NOT_SERVED`, `CROSS_SITE`, `METHOD_NOT_ALLOWED`
   */
  open(request: IncomingMessage, serverNames: readonly string[]): Substitution | undefined {
    const url = request.url ?? "";
    const [, first, rest = ""] = NIX_PATH.exec(url) ?? [];
    if (rest === "" || INFO_PATH.test(url.split("?", 1)[0] as string)) return undefined;
    const named = this.#upstreams.find(({ name }) => name === first);
    const path = named === undefined && first !== undefined ? `${first}/${rest}` : rest;
    const [only, ...others] = named === undefined ? this.#upstreams : [named];
    if (only === undefined) return undefined;
    checkReading(request, serverNames);
    const isOneOfSeveral = others.length > 0;
    const pages = this.#pages;
    const mirrorOf = ({ name, base }: Upstream): Mirror => {
      const target = makeTarget(base.scheme, base, base.path + path);
      return new Mirror(request, target, { pages, isOneOfSeveral, folder: isOneOfSeveral ? `${name}/` : "" });
    };
    return [mirrorOf(only), ...others.map(mirrorOf)];
  }
}

/** The URL of a cache as it stands in the configuration; its path ends in `/`. */
export function parseCacheBase(written: string): TargetUri {
  return parseTarget(written.endsWith("/") ? written : `${written}/`);
}

/**
 * What goes out of one cache among several that does not have it, in place of its answer.
 * @returns `undefined` for what it has.
 */
export function faultOfUpstream({ authority }: TargetUri, status: number): LarderError | undefined {
  if (ABSENT.has(status)) return new LarderError("NOT_FOUND", `${authority} does not have it`);
  if (status < 500) return undefined;
  return new LarderError("ORIGIN_STATUS", `${authority} answers ${status}`, { details: { status } });
}

/**
 * Asks one cache after the other until one has answered.
 * @param ask sends the answer, or throws while nothing has been sent
 * @throws LarderError what the first cache failed of; `NOT_FOUND` when all of them work, and none has it.
 */
export async function askInOrder(
  substitution: Substitution,
  isUnanswered: () => boolean,
  ask: (mirror: Mirror) => Promise<void>,
): Promise<void> {
  let fault: LarderError | undefined;
  for (const mirror of substitution) {
    try {
      await ask(mirror);
      return;
    } catch (error) {
      const next = toLarderError(error);
      if (!isUnanswered()) throw next;
      fault = fault === undefined || fault.code === "NOT_FOUND" ? next : fault;
    }
  }
  if (fault !== undefined) throw fault;
}

/** One segment of a path: the authority, and the path below it where there is one. */
function nameOf({ authority, path }: TargetUri): string {
  return `${authority}${path}`.replace(/[^a-z0-9._]+/gi, "-").replace(/^-|-$/g, "");
}
