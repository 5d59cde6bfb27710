import type { Clock } from "../../core/clock.ts";
import type { LarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { TargetUri } from "../../core/target.ts";
import { canonicalUri } from "../../ecosystems/repository-path.ts";
import type { DeclarationIndex, DeclaredResource } from "../../storage/declarations.ts";
import { withoutQuery } from "../exchange/questions.ts";
import type { FillSource } from "../fill/fill-order.ts";
import { isMismatch } from "../fill/verify.ts";

export interface MismatchesDependencies {
  readonly index: Pick<DeclarationIndex, "quarantine">;
  readonly clock: Clock;
  readonly log: Log;
  /** Called for each body that was not what its repository declares. */
  readonly onMismatch: () => void;
}

/** What becomes of a place that gave wrong bytes: told in the log, counted, and not asked for that file for a while. */
export class Mismatches {
  readonly #deps: MismatchesDependencies;

  constructor(dependencies: MismatchesDependencies) {
    this.#deps = dependencies;
  }

  /** Does nothing about any other fault. */
  note({ target }: FillSource, fault: LarderError, resource: DeclaredResource): void {
    if (!isMismatch(fault)) return;
    const { index, clock, log, onMismatch } = this.#deps;
    onMismatch();
    const untilMs = index.quarantine.add(baseOf(target, resource), quarantinedName(resource), clock());
    const { root, declaredBy } = resource;
    log.warn(
      {
        code: fault.code,
        target: withoutQuery(target).uri,
        ...fault.details,
        root: root.uri,
        declaredBy,
        quarantinedUntilMs: untilMs,
      },
      "mismatch",
    );
  }

  /** Whether the place may be asked for the file now. */
  trusts({ target }: FillSource, resource: DeclaredResource): boolean {
    const { index, clock } = this.#deps;
    return index.quarantine.until(baseOf(target, resource), quarantinedName(resource), clock()) === undefined;
  }

  /** The place gave the right bytes. */
  clear({ target }: FillSource, resource: DeclaredResource): void {
    this.#deps.index.quarantine.clear(baseOf(target, resource), quarantinedName(resource));
  }
}

/** What a base is not asked for again for a time. Another generation's file of the same path is another question. */
function quarantinedName({ path, declaration }: DeclaredResource): string {
  return `${path} ${declaration.digest}`;
}

function baseOf(target: TargetUri, { base, path }: DeclaredResource): string {
  const uri = canonicalUri(withoutQuery(target)) ?? target.uri;
  if (uri.endsWith(path)) return uri.slice(0, uri.length - path.length);
  return uri.startsWith(base) ? base : `${target.scheme}://${target.authority}/`;
}
