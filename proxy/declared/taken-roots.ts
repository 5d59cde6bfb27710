import type { Clock } from "../../core/clock.ts";
import type { Digest } from "../../core/digest.ts";
import type { RepositoryPlace } from "../../ecosystems/metadata.ts";
import type { TakenRootLog } from "../../storage/declarations.ts";
import type { Way } from "../request/way.ts";

/** Clients remembered, and roots of each: a machine with every suite of several distributions has some dozens. */
const MAX_CLIENTS = 1_000;
const MAX_ROOTS = 200;
const NOTHING_TAKEN: (root: Digest) => boolean = () => false;

export interface TakenRootsDependencies {
  /** Survives a restart, which a client in mid-update must not notice. */
  readonly takenRoots: TakenRootLog;
  readonly clock: Clock;
}

/**
 * The root that each client took last of each repository and scope: its members and payloads are that generation's. All
 * that tells clients apart is the session they belong to, or else their address.
 */
export class TakenRoots {
  readonly #deps: TakenRootsDependencies;
  readonly #clients = new Map<string, Map<string, Digest>>();

  constructor(dependencies: TakenRootsDependencies) {
    this.#deps = dependencies;
    const { takenRoots, clock } = dependencies;
    for (const { client, place, root } of takenRoots.all(clock())) this.#remember(client, place, root);
  }

  note(way: Way, { base, scope = "" }: Pick<RepositoryPlace, "base" | "scope">, root: Digest): void {
    const place = `${base} ${scope}`;
    const client = nameOf(way);
    const isNew = this.#clients.get(client)?.get(place) !== root;
    this.#remember(client, place, root);
    // Sessions end with the process.
    if (isNew && way.session === undefined) this.#deps.takenRoots.note({ client, place, root }, this.#deps.clock());
  }

  /** Tells the roots that this client took last. */
  preferenceOf(way: Way): (root: Digest) => boolean {
    const roots = this.#clients.get(nameOf(way));
    if (roots === undefined) return NOTHING_TAKEN;
    return (root) => [...roots.values()].includes(root);
  }

  #remember(client: string, place: string, root: Digest): void {
    const roots = this.#clients.get(client) ?? new Map<string, Digest>();
    keepLast(this.#clients, client, { value: roots, most: MAX_CLIENTS });
    keepLast(roots, place, { value: root, most: MAX_ROOTS });
  }
}

function nameOf({ session, clientAddress }: Way): string {
  return session ?? clientAddress;
}

/** Sets a key as the newest of its map, and lets the oldest go where there are too many. */
function keepLast<V>(
  map: Map<string, V>,
  key: string,
  { value, most }: { readonly value: V; readonly most: number },
): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
