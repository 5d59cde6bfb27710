import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";

/**
 * Pages that were made once and are asked for again by every client; thirty large packuments, or thousands of index
 * pages.
 */
const MAX_KEPT_BYTES = 32 * 1024 * 1024;

/** A page made of an origin's, with a validator of its own. */
export interface DerivedPage {
  readonly etag: string;
  readonly body: Buffer;
}

/** The pages that were made of stored ones, by everything that they were made of. */
export class DerivedPages {
  readonly #kept = new LRUCache<string, DerivedPage>({
    maxSize: MAX_KEPT_BYTES,
    sizeCalculation: ({ body }, recipe) => body.length + recipe.length + 1,
  });

  /** @param recipe names the bytes that a page is made of, and how; `undefined` where the bytes have no name */
  find(recipe: string | undefined): DerivedPage | undefined {
    return recipe === undefined ? undefined : this.#kept.get(recipe);
  }

  /** Makes the page of `body`, and keeps it while there is room. */
  make(recipe: string | undefined, body: Buffer): DerivedPage {
    const etag = `"mirror-${createHash("sha256").update(body).digest("hex").slice(0, 32)}"`;
    const page = { etag, body };
    if (recipe !== undefined) this.#kept.set(recipe, page);
    return page;
  }
}
