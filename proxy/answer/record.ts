import type { Clock } from "../../core/clock.ts";
import type { Digest } from "../../core/digest.ts";
import type { LarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { TargetUri } from "../../core/target.ts";
import type { Classification } from "../../ecosystems/ecosystem.ts";
import { type CacheStatus, formatCacheStatus } from "../../policy/fields/cache-status.ts";
import type { Ledger } from "../../storage/store.ts";
import type { Way } from "../request/way.ts";

/** Sums over all exchanges since the start. */
export interface Totals {
  exchanges: number;
  hits: number;
  originBytes: number;
  clientBytes: number;
  mismatches: number;
}

export interface RecordDependencies {
  readonly log: Log;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly totals: Totals;
  readonly pseudonym: string;
}

/**
 * What is told about one exchange: to the client as Cache-Status, to the log as one line, to the ledger as one event.
 */
export class ExchangeRecord {
  target: TargetUri | undefined;
  classification: Classification | undefined;
  cacheStatus: CacheStatus = {};
  digest: Digest | undefined;
  error: LarderError | undefined;
  /** Body bytes sent to the client. */
  sentBytes = 0;
  /** Body bytes that an origin has sent for this exchange so far. */
  countOriginBytes: () => number = () => 0;
  readonly method: string;
  way: Way;
  readonly #startedMs: number;
  readonly #dependencies: RecordDependencies;

  constructor(method: string, way: Way, dependencies: RecordDependencies) {
    this.method = method;
    this.way = way;
    this.#dependencies = dependencies;
    this.#startedMs = dependencies.clock();
  }

  /** The Cache-Status member (RFC 9211) for what is known now. */
  formatStatus(): string {
    return formatCacheStatus(this.#dependencies.pseudonym, this.cacheStatus);
  }

  /**
   * Writes the log line and the event, once, when the exchange has ended.
   * @param status `undefined` when the client left before it was answered; @param isWhole whether it got all of the
   * answer
   */
  finish(status: number | undefined, isWhole: boolean): void {
    const { log, ledger, clock, totals } = this.#dependencies;
    const atMs = clock();
    const { hit, fwd, fwdStatus, stored, collapsed, detail } = this.cacheStatus;
    const originBytes = this.countOriginBytes();
    const isHit =
      status !== undefined &&
      this.error === undefined &&
      (hit === true || originBytes === 0) &&
      (hit === true || fwdStatus === 304 || collapsed === true);
    totals.exchanges += 1;
    totals.clientBytes += this.sentBytes;
    totals.originBytes += originBytes;
    if (isHit) totals.hits += 1;
    const target = this.target === undefined ? undefined : withoutQuery(this.target);
    log.info(
      {
        method: this.method,
        target,
        client: this.way.clientAddress,
        session: this.way.session,
        outcome: hit === true ? "hit" : fwd === undefined ? undefined : `fwd=${fwd}`,
        detail,
        stored,
        collapsed,
        originStatus: fwdStatus,
        status,
        code: this.error?.code,
        reason: this.error?.message,
        bytes: this.sentBytes,
        originBytes,
        whole: isWhole,
        totalMs: atMs - this.#startedMs,
      },
      "exchange",
    );
    if (target === undefined || status === undefined || this.error !== undefined) return;
    ledger.record({
      session: this.way.session,
      atMs,
      method: this.method,
      uri: target,
      class: this.classification?.class ?? "other",
      ecosystem: this.classification?.ecosystem,
      status,
      digest: this.digest,
      bytes: this.sentBytes,
      originBytes,
      isHit,
    });
  }
}

/** A query may hold a signature: it is never written down. */
function withoutQuery(target: TargetUri): string {
  const query = target.uri.indexOf("?");
  return query < 0 ? target.uri : `${target.uri.slice(0, query)}?…`;
}
