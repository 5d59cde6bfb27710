import type { Clock } from "../../core/clock.ts";
import { type Entry, entryKeyOf, PUBLIC_REALM } from "../../core/entry.ts";
import type { LarderError } from "../../core/errors.ts";
import { makeTarget } from "../../core/target.ts";
import { selectStored } from "../../policy/decide.ts";
import { mayServeStale } from "../../policy/serving-stale.ts";
import type { Store } from "../../storage/store.ts";
import type { Errand } from "../answer/errand.ts";
import { withoutQuery } from "../answer/questions.ts";
import { sendText } from "../answer/reply.ts";

export interface RootFallbacksDependencies {
  readonly store: Pick<Store, "find">;
  readonly clock: Clock;
}

/** What is left for a client when a root is not to be had, or not to be believed. */
export class RootFallbacks {
  readonly #deps: RootFallbacksDependencies;

  constructor(dependencies: RootFallbacksDependencies) {
    this.#deps = dependencies;
  }

  /**
   * A root that nobody known has signed, however it came, does not stand in the way of one that somebody has.
   * @param admitted the stored responses that may be served
   * @returns the one to serve, if there is one
   */
  goodCopy({ view, context }: Errand, admitted: readonly Entry[], { code }: LarderError): Entry | undefined {
    if (code !== "SIGNATURE_BAD") return undefined;
    const now = { ...context, nowMs: this.#deps.clock() };
    const entry = selectStored(view, admitted, now);
    return entry !== undefined && mayServeStale(entry, view, { kind: "unreachable" }, now) ? entry : undefined;
  }

  /**
   * Where the origin cannot be reached, and what clients ask for after a 404 is stored, the repository has no such
   * root: its clients are told so, and go on. (A 404 is mostly not storable.)
   * @returns whether the errand has been answered
   */
  answerAbsent({ reply, view }: Errand, otherwise: string | undefined, { code }: LarderError): boolean {
    if (otherwise === undefined || !code.startsWith("ORIGIN_")) return false;
    const { path } = withoutQuery(view.target);
    const other = makeTarget(view.target.scheme, view.target, path.slice(0, path.lastIndexOf("/") + 1) + otherwise);
    const found = this.#deps.store.find(entryKeyOf("GET", other.uri));
    if (!found.some(({ status, realm }) => status === 200 && (realm === view.realm || realm === PUBLIC_REALM)))
      return false;
    reply.record.cacheStatus = { ...reply.record.cacheStatus, detail: code };
    const fields = ["Content-Type", "text/plain; charset=utf-8", "Cache-Control", "no-store"];
    sendText(reply, 404, fields, `larder: ${code}: only ${other.path} is stored of this repository\n`);
    return true;
  }
}
