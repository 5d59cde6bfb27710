import type { Clock } from "../../core/clock.ts";
import type { LarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { TargetUri } from "../../core/target.ts";
import { canonicalUri } from "../../ecosystems/repository-path.ts";
import type { DeclarationIndex, DeclaredResource } from "../../storage/declarations.ts";
import { withoutQuery } from "../answer/questions.ts";
import type { FillSource } from "../fill/fill-order.ts";
import { isMismatch } from "../fill/verify.ts";

export interface MismatchesDependencies {
  readonly index: Pick<DeclarationIndex, "quarantine">;
  readonly clock: Clock;
  readonly log: Log;
  /** Called for each body that was not what its repository declares. */
  readonly onMismatch: () => void;
}

/**
 * How long a place that gave wrong bytes is not asked again where no other is left: a client that tries again and again
 * without a pause costs its origin no more than that, and what was mended is had at once. Neither its ETag nor its
 * length would tell: whatever spoils bytes on their way leaves both as they are.
 */
const PAUSE_MS = 2_000;
const MAX_MISDECLARED = 10_000;

/**
 * What becomes of a place that gave wrong bytes: told in the log, counted, and for a while asked only after all others.
 */
export class Mismatches {
  readonly #deps: MismatchesDependencies;
  /** Files whose very declaration is wrong, as {@link quarantinedName} calls them. */
  readonly #misdeclared = new Set<string>();

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

  /**
   * The place gave what is declared, and that is wrong: it has nothing else, so it is not asked again before its time.
   */
  noteMisdeclared(source: FillSource, fault: LarderError, resource: DeclaredResource): void {
    if (this.#misdeclared.size >= MAX_MISDECLARED) this.#misdeclared.clear();
    this.#misdeclared.add(quarantinedName(resource));
    this.note(source, fault, resource);
  }

  /**
   * The places that may be asked for the file now, in that order: those that gave wrong bytes a while ago come last.
   */
  inOrder<Source extends FillSource>(sources: readonly Source[], resource: DeclaredResource): readonly Source[] {
    const { clock, index } = this.#deps;
    const nowMs = clock();
    const trusted: Source[] = [];
    const doubted: Source[] = [];
    for (const source of sources) {
      const place = [baseOf(source.target, resource), quarantinedName(resource)] as const;
      if (index.quarantine.until(...place, nowMs) === undefined) trusted.push(source);
      else if (Math.abs(nowMs - (index.quarantine.lastWrongMs(...place) ?? 0)) >= PAUSE_MS) doubted.push(source);
    }
    return this.#misdeclared.has(quarantinedName(resource)) ? trusted : [...trusted, ...doubted];
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
