import type { Clock } from "../../core/clock.ts";
import { type Entry, entryKeyOf, PUBLIC_REALM } from "../../core/entry.ts";
import { toLarderError } from "../../core/errors.ts";
import { parseTarget, type TargetUri } from "../../core/target.ts";
import type { SignatureVerdict } from "../../learn/signatures/gpgv-status.ts";
import type { ExchangeTimes, ResponseHead } from "../../policy/plan.ts";
import { judge } from "../../policy/storing.ts";
import type { Store } from "../../storage/store.ts";
import type { Errand } from "../answer/errand.ts";
import { sourceOf } from "../answer/questions.ts";
import { readAtMost } from "../fill/read-at-most.ts";
import { askThroughRedirects } from "../fill/redirects.ts";
import type { Origin } from "../origin/origin.ts";
import type { SignatureDemand } from "../settings.ts";

export interface DetachedDependencies {
  readonly store: Store;
  readonly origin: Origin;
  readonly clock: Clock;
  readonly demand: SignatureDemand | undefined;
}

/** A root and where its signature is. */
export interface DetachedQuestion {
  /** What the signature's name has more than the root's. */
  readonly suffix: string;
  readonly text: Buffer;
  /** The root comes from its origin just now: what is stored cannot be its signature. */
  readonly isNew: boolean;
}

/** A signature of one key has some hundred bytes, and armoured a third more. */
const MAX_SIGNATURE_BYTES = 256 * 1024;
/** A root waits for its signature; it comes from where the root itself came from a moment ago. */
const PATIENCE_MS = 15_000;

interface Fetched {
  readonly head: ResponseHead;
  readonly body: Buffer;
  readonly times: ExchangeTimes;
}

/** Fetches the signature that stands in a file beside a root, by the same way out and with the same credentials. */
export class DetachedSignatures {
  readonly #deps: DetachedDependencies;

  constructor(dependencies: DetachedDependencies) {
    this.#deps = dependencies;
  }

  /** The good signature of a root is stored as the root is: they are one set, and it is asked for after a restart. */
  async check(errand: Errand, { suffix, text, isNew }: DetachedQuestion): Promise<SignatureVerdict> {
    const { demand, store } = this.#deps;
    if (demand === undefined) return { kind: "good", signers: [] };
    const target = targetBeside(errand.view.target, suffix);
    const own = { ...errand, key: entryKeyOf("GET", target.uri), view: { ...errand.view, target } };
    for (const { digest } of isNew ? [] : this.#stored(own)) {
      const signature = await store.readWhole(digest);
      const verdict = await demand.checker.check({ kind: "detached", text, signature });
      if (verdict.kind === "good") return verdict;
    }
    try {
      const fetched = await this.#fetch(own);
      if (fetched === undefined) return bad(suffix, "is too large to be one");
      if (fetched.head.status !== 200) return bad(suffix, `was answered with status ${fetched.head.status}`);
      const verdict = await demand.checker.check({ kind: "detached", text, signature: fetched.body });
      if (verdict.kind === "good") await this.#keep(own, fetched);
      return verdict;
    } catch (error) {
      return bad(suffix, `could not be had (${toLarderError(error).code})`);
    }
  }

  #stored({ key, view }: Errand): readonly Entry[] {
    const mayBeUsed = ({ status, realm }: Entry): boolean =>
      status === 200 && (realm === view.realm || realm === PUBLIC_REALM);
    return this.#deps.store.find(key).filter(mayBeUsed);
  }

  /** @returns `undefined` when it is too large. @throws LarderError as {@link askThroughRedirects} */
  async #fetch(errand: Errand): Promise<Fetched | undefined> {
    const { origin, clock } = this.#deps;
    const { target, fieldsToOrigin } = sourceOf(errand);
    const requestMs = clock();
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const { head, body } = await askThroughRedirects(origin, { target, fields: fieldsToOrigin(false), signal });
    const times = { requestMs, responseMs: clock() };
    const bytes = await readAtMost(body, MAX_SIGNATURE_BYTES);
    return bytes === undefined ? undefined : { head, body: bytes, times };
  }

  /** A store that cannot take it has told of its fault itself. */
  async #keep({ key, view, context }: Errand, { head, body, times }: Fetched): Promise<void> {
    const { store, clock } = this.#deps;
    const verdict = judge(view, head, { ...context, nowMs: clock(), ...times });
    if (!verdict.store) return;
    const { variant, selecting, realm, fields } = verdict;
    const staging = await store.stage({ expectedBytes: body.length });
    try {
      await staging.append(body);
      await staging.seal();
      if (staging.fault !== undefined) return;
      await staging.commit({
        key,
        variant,
        realm,
        status: head.status,
        fields,
        selecting,
        class: context.class,
        ...times,
      });
    } finally {
      await staging.close();
    }
  }
}

function targetBeside({ uri }: TargetUri, suffix: string): TargetUri {
  const query = uri.indexOf("?");
  return parseTarget(query < 0 ? uri + suffix : uri.slice(0, query) + suffix + uri.slice(query));
}

function bad(suffix: string, reason: string): SignatureVerdict {
  return { kind: "bad", reason: `its signature (${suffix}) ${reason}` };
}
