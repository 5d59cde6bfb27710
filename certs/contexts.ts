import { createSecureContext, type SecureContext } from "node:tls";
import { LRUCache } from "lru-cache";
import type { Clock } from "../core/clock.ts";
import type { Authority } from "./authority.ts";
import { LeafIssuer } from "./leaf.ts";
import { CLOCK_SKEW_MS } from "./validity.ts";

export interface LeafContextsOptions {
  readonly authority: Authority;
  readonly clock: Clock;
  /** How many hosts are kept ready; the least recently asked for makes room. */
  readonly maxContexts: number;
}

interface TimedContext {
  readonly context: SecureContext;
  readonly notBeforeMs: number;
  readonly renewAtMs: number;
}

/** The TLS contexts shown to clients, one a host, made when first asked for and again before their leaf ends. */
export class LeafContexts {
  readonly #issuer: LeafIssuer;
  readonly #presentedPem: string;
  readonly #clock: Clock;
  readonly #ready: LRUCache<string, TimedContext>;

  constructor({ authority, clock, maxContexts }: LeafContextsOptions) {
    this.#issuer = new LeafIssuer(authority);
    this.#presentedPem = authority.presentedPem;
    this.#clock = clock;
    this.#ready = new LRUCache({ max: maxContexts });
  }

  /**
   * @param host as the CONNECT named it: a lower-case name, or an IP literal without brackets (which sends no SNI)
   * @throws LarderError `CA_UNUSABLE` when the authority has expired since it was loaded
   */
  contextFor(host: string): SecureContext {
    const nowMs = this.#clock();
    const ready = this.#ready.get(host);
    // A leaf that has not begun was made before the clock was set back.
    if (ready !== undefined && nowMs >= ready.notBeforeMs && nowMs < ready.renewAtMs) return ready.context;
    const { certificatePem, notBeforeMs, notAfterMs } = this.#issuer.issue(host, nowMs);
    const context = createSecureContext({
      key: this.#issuer.keyPem,
      cert: certificatePem + this.#presentedPem,
      // No roots: clients are not asked for certificates, and OpenSSL would complete the chain from what it finds here.
      ca: [],
      minVersion: "TLSv1.2",
    });
    this.#ready.set(host, { context, notBeforeMs, renewAtMs: notAfterMs - CLOCK_SKEW_MS });
    return context;
  }
}
