import { type Entry, entryKeyOf } from "../../core/entry.ts";
import { LarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { NarChecker } from "../../learn/nar/checker.ts";
import type { DeclaredResource } from "../../storage/declarations.ts";
import type { Store } from "../../storage/store.ts";
import type { FillSource } from "../fill/fill-order.ts";
import type { Mismatches } from "./mismatches.ts";

export interface NarChecksDependencies {
  readonly checker: NarChecker;
  readonly store: Store;
  readonly mismatches: Mismatches;
  readonly log: Log;
}

/**
 * Has nars unpacked that came in, behind their downloads: the FileHash by which they were let in is not signed, the
 * NarHash is. Where the two are not of the same nar, the nar and the narinfo that says so leave the store, and the
 * cache is not asked for it for a while.
 */
export class NarChecks {
  readonly #deps: NarChecksDependencies;

  constructor(dependencies: NarChecksDependencies) {
    this.#deps = dependencies;
  }

  /** A declared file is stored; nobody waits for what is found out about it. */
  noteStored(entry: Entry, source: FillSource, resource: DeclaredResource): void {
    if (resource.ecosystem === "nix" && resource.kind === "payload") void this.#check(entry, source, resource);
  }

  async #check(entry: Entry, source: FillSource, resource: DeclaredResource): Promise<void> {
    const { checker, store, mismatches, log } = this.#deps;
    const { root } = resource;
    const verdict = await checker.check(root.digest, entry.digest);
    if (verdict.kind === "right") return;
    if (verdict.kind === "unchecked")
      return log.info({ narinfo: root.uri, nar: entry.digest, reason: verdict.reason }, "a nar was not unpacked");
    const { algorithm, declared, received } = verdict;
    const reason = `unpacked it is ${received} where its narinfo says NarHash ${algorithm} ${declared}`;
    const details = { algorithm, declared, received, of: "NarHash" };
    mismatches.noteMisdeclared(source, new LarderError("DIGEST_MISMATCH", reason, { details }), resource);
    // Blobs that others name, rightly, stay with them.
    store.remove(entry);
    for (const narinfo of store.find(entryKeyOf("GET", root.uri)))
      if (narinfo.digest === root.digest) store.remove(narinfo);
  }
}
