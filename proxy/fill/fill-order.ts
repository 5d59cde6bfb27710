import type { Clock } from "../../core/clock.ts";
import type { Declaration } from "../../core/declaration.ts";
import type { Entry } from "../../core/entry.ts";
import type { LarderError } from "../../core/errors.ts";
import type { RawFields } from "../../core/fields.ts";
import type { Log } from "../../core/log.ts";
import type { TargetUri } from "../../core/target.ts";
import type { Beginning, PlanContext, RequestView, ResponseHead } from "../../policy/plan.ts";
import type { EntryDraft, Sealed, Staging, Store } from "../../storage/store.ts";
import type { Origin } from "../origin/origin.ts";

/** What every fill works with. */
export interface FillDependencies {
  readonly store: Store;
  readonly origin: Origin;
  readonly clock: Clock;
  readonly log: Log;
}

/** Somewhere the resource can be had. */
export interface FillSource {
  readonly target: TargetUri;
  /** The fields to send; with `isConditional`, those that revalidate the stored response among them. */
  fieldsToOrigin(isConditional: boolean): RawFields;
}

/** What one missing or stale resource needs to be fetched. */
export interface FillOrder {
  /** The leader's request: what is stored is judged by it. */
  readonly request: RequestView;
  readonly context: Omit<PlanContext, "nowMs">;
  /** `GET <target URI>`: where the answer will stand. */
  readonly key: string;
  /** Where to ask, in this order, until one gives what may be served; never empty. */
  readonly sources: readonly FillSource[];
  /** Finds out where else it can be had, when all of the sources have failed; what it finds is asked after them. */
  findMore?(): Promise<readonly FillSource[]>;
  /** The stored response to be revalidated. */
  readonly entry: Entry | undefined;
  /** Stored parts that only want the rest. */
  readonly beginning?: Beginning | undefined;
  /** What the repository says the bytes must be; they are held back until they prove it. */
  readonly declared: Declaration | undefined;
  /** Called for each interim answer: it is for the leader, as the others' own questions were never asked. */
  onInterim?(head: ResponseHead): void;
  /**
   * Called with an answer that is no error, and its whole body, before anything of it goes out or is kept; redirects
   * have been followed then. @returns why it may do neither.
   */
  admit?(status: number, body: Pick<Staging, "read">, sealed: Sealed): Promise<LarderError | undefined>;
  /** What the store has of it, but not for this requester: served if the origin would let the requester have it. */
  readonly held?: Entry | undefined;
  /**
   * From one answer of one source, and nothing goes out before it is verified: pieces were put together to wrong bytes
   * before.
   */
  readonly isWhole?: boolean;
  /** Called before bytes of a declared body go out that are not verified yet. */
  onUnproven?(): void;
  /** Called when all bytes have proved to be what is declared. */
  onProven?(): void;
  /**
   * Called when pieces of several sources were wrong together, after some had gone out; which source is at fault is not
   * known.
   */
  onSpliced?(): void;
  /** Called when a source failed. */
  onFault?(source: FillSource, fault: LarderError): void;
  /**
   * Called when the body is in the store, or was found to be there still; the fill stays findable until it resolves.
   */
  onStored?(entry: Entry, source: FillSource): Promise<void>;
}

/** What the origin's answer turned out to be. */
export type FillHead =
  /** A body that goes into the store and to every reader. `bytes` is its length where the origin tells it. */
  | {
      readonly kind: "body";
      readonly draft: EntryDraft;
      readonly bytes: number | undefined;
      /** Fields that are not stored, for the leader alone (RFC 9111 §5.2.2.4, §5.2.2.7). */
      readonly once?: RawFields | undefined;
    }
  /** A 304, or leave to have what is held: the stored response may be served. */
  | { readonly kind: "freshened"; readonly entry: Entry }
  /** The origin failed, and the stored response may be served stale. */
  | { readonly kind: "stale"; readonly entry: Entry; readonly detail: string }
  /** Not to be stored: the first to `takeResponse` of the fill gets it, the others ask for themselves. */
  | { readonly kind: "pass"; readonly reason: string };
