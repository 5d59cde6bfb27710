import type { Digest } from "../core/digest.ts";
import type { Way } from "./way.ts";

/** Clients remembered, and roots of each: a machine with every suite of several distributions has some dozens. */
const MAX_CLIENTS = 1_000;
const MAX_ROOTS = 200;
const NOTHING_TAKEN: (root: Digest) => boolean = () => false;

/**
 * The root that each client took last of each repository and scope: its members and payloads are that generation's. All
 * that tells clients apart is the session they belong to, or else their address.
 */
export class TakenRoots {
  readonly #clients = new Map<string, Map<string, Digest>>();

  /** @param place base and scope of the root */
  note(way: Way, place: string, root: Digest): void {
    const client = nameOf(way);
    const roots = this.#clients.get(client) ?? new Map<string, Digest>();
    keepLast(this.#clients, client, { value: roots, most: MAX_CLIENTS });
    keepLast(roots, place, { value: root, most: MAX_ROOTS });
  }

  /** Tells the roots that this client took last. */
  preferenceOf(way: Way): (root: Digest) => boolean {
    const roots = this.#clients.get(nameOf(way));
    if (roots === undefined) return NOTHING_TAKEN;
    return (root) => [...roots.values()].includes(root);
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
