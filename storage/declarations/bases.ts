import type { Realm } from "../../core/entry.ts";
import type { Database } from "../database.ts";

export interface Base {
  readonly id: number;
  readonly url: string;
  /** Whether a mirror list names it. */
  readonly isMirror: boolean;
}

interface BaseRow {
  readonly id: number;
  readonly url: string;
  readonly realm: string;
  readonly is_mirror: number;
}

/** Every base, in memory: a request is cut at each `/`, and each part looked up, before the disk is asked anything. */
export class Bases {
  readonly #all: ReturnType<typeof prepare>;
  #byName = new Map<string, Base>();

  constructor(db: Database) {
    this.#all = prepare(db);
    this.refresh();
  }

  get count(): number {
    return this.#byName.size;
  }

  refresh(): void {
    const rows = this.#all.all();
    this.#byName = new Map(
      rows.map(({ id, url, realm, is_mirror }) => [nameOf(url, realm), { id, url, isMirror: is_mirror === 1 }]),
    );
  }

  /** The bases that the URI lies below, longest first. */
  *over(uri: string, realm: Realm): Generator<Base> {
    const authority = uri.indexOf("://") + 3;
    for (let slash = uri.lastIndexOf("/"); slash >= authority; slash = uri.lastIndexOf("/", slash - 1)) {
      const base = this.#byName.get(nameOf(uri.slice(0, slash + 1), realm));
      if (base !== undefined) yield base;
    }
  }
}

/** A realm holds no space. */
function nameOf(url: string, realm: Realm): string {
  return `${realm} ${url}`;
}

function prepare(db: Database) {
  return db.prepare<[], BaseRow>(
    "SELECT id, url, realm, EXISTS (SELECT 1 FROM mirror WHERE base_id = id) AS is_mirror FROM base",
  );
}
