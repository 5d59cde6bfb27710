import type { SecureContext } from "node:tls";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { Scheme } from "../core/target.ts";
import type { Learner } from "../learn/learner.ts";
import type { NarChecker } from "../learn/nar/checker.ts";
import type { SignatureChecker } from "../learn/signatures/signatures.ts";
import type { OriginAccess } from "../policy/access/origin-access.ts";
import type { ReleaseAgeRules } from "../policy/release-age.ts";
import type { DeclarationIndex } from "../storage/declarations.ts";
import type { Ledger, Store } from "../storage/store.ts";

/** The proxies before some origins, in the order in which to try them. */
export interface ParentRule {
  /** Host patterns; the rule whose pattern is the most exact holds, the first on a tie. */
  readonly hosts: readonly string[];
  /** For origins of that scheme only; `undefined`: of both. */
  readonly scheme: Scheme | undefined;
  /** Proxy URLs, with their credentials if they need any, and `direct`. */
  readonly routes: readonly string[];
  /** `user:password` for those whose URL has none. */
  readonly credentials: string | undefined;
}

/**
 * The proxies before the origins: by rules of larder's own, and as the environment names them (`http_proxy`,
 * `https_proxy`, `no_proxy`).
 */
export interface ParentProxies {
  /** What they name goes by them, whatever the environment says. */
  readonly rules: readonly ParentRule[];
  /** Proxy URL for http origins, with its credentials if it needs any. */
  readonly http: string | undefined;
  readonly https: string | undefined;
  /** Comma-separated names, suffixes, addresses and CIDR blocks that are reached directly; `*` for all. */
  readonly noProxy: string;
}

/**
 * A part of a declared file that is not stored yet `wait`s for the verified whole, and passes unverified where the file
 * is too long for that; or always `pass`es; or nothing unverified ever goes out (`refuse`): too long a file is answered
 * whole.
 */
export type RangePolicy = "wait" | "pass" | "refuse";

/** How long clients are waited for. */
export interface Patience {
  /** For the whole head of a request. */
  readonly headMs: number;
  /** For the next request on a connection. */
  readonly idleMs: number;
  /** For a client that takes nothing of an answer that is there for it. */
  readonly stalledMs: number;
}

/** Everything about the proxy that its user may set; cli/settings/config.ts holds the defaults and their reasons. */
export interface ProxySettings extends ReleaseAgeRules {
  /** Networks (CIDR) whose clients may come in, beside loopback. */
  readonly allowClients: readonly string[];
  /** Networks (CIDR) of proxies whose word on the client's address (Forwarded) is taken. */
  readonly trustedProxies: readonly string[];
  /** Networks (CIDR) that may be connected to although the rules would refuse them. */
  readonly allowDestinations: readonly string[];
  /** Whether every listener is on loopback: private networks may be connected to then. */
  readonly isLoopbackOnly: boolean;
  /**
   * Host patterns (`host`, `*.suffix`) whose tunnels are opened / passed through blindly; the more exact one wins,
   * tunnel on a tie.
   */
  readonly intercept: readonly string[];
  readonly tunnel: readonly string[];
  /** Names beside IP literals and `localhost` under which origin-form requests (`/`, `/ca.pem` …) are answered. */
  readonly serverNames: readonly string[];
  readonly patience: Patience;
  /** Connections that one client address may have open at once. */
  readonly connectionsPerClient: number;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly tunnelIdleMs: number;
  /** How long a client that twice rejected the CA for a host is left alone with it; 0: never. */
  readonly tunnelUntrustingMs: number;
  /** Upper bound of a root's freshness; 0 = always revalidate. */
  readonly rootFreshForMs: number;
  /** Targeted fields that stand in for Cache-Control (RFC 9213), in lower case, the first most. */
  readonly targetedFields: readonly string[];
  /** Keys (`name:base64`) of which one must have signed each narinfo; any narinfo passes when there are none. */
  readonly nixPublicKeys: readonly string[];
  /** URLs of the binary caches of Nix that `/nix/` stands for, in order; none: there is no such page. */
  readonly nixUpstreams: readonly string[];
  readonly fillsPerOrigin: number;
  readonly verifyRanges: RangePolicy;
  /** Length up to which a part of a declared file waits until the whole is verified. */
  readonly rangeWaitBytes: number;
  readonly parentProxies: ParentProxies;
  /** PEM of every root that an origin's certificate may chain to. */
  readonly originRoots: string;
  /** Origins that want a certificate of larder, or have roots of their own. */
  readonly originAccess: readonly OriginAccess[];
  /** Name of this proxy in `Via` and `Cache-Status`; a loop is seen by it, so it differs from instance to instance. */
  readonly pseudonym: string;
}

export interface SignatureDemand {
  readonly checker: SignatureChecker;
  /** A root without a good signature is refused; else it is told in the log, and served. */
  readonly isRequired: boolean;
}

/** Who may come in by name and password. */
export interface Accounts {
  /** Whether there is anybody who may; that can change at any time. */
  readonly hasUsers: boolean;
  /** @returns the ledger's session of that user; `undefined` when name and password do not belong together. */
  signIn(name: string, password: string): Promise<string | undefined>;
}

export interface ProxyDependencies {
  /** `undefined`: there are no users, and never will be. */
  readonly accounts?: Accounts | undefined;
  readonly store: Store;
  readonly declarations: DeclarationIndex;
  readonly learner: Learner;
  /** Whether roots must be signed; `undefined`: nobody looks. */
  readonly signatures?: SignatureDemand | undefined;
  /** Unpacks nars behind their downloads; `undefined`: nobody does. */
  readonly narChecker?: NarChecker | undefined;
  readonly ledger: Ledger;
  /** The TLS context to show to a client that asked for that host (name or IP literal). */
  readonly contexts: { contextFor(host: string): SecureContext };
  readonly log: Log;
  readonly clock: Clock;
  readonly pages: LocalPages;
}

/** What larder itself answers on its port (origin-form requests). */
export interface LocalPages {
  /** PEM of the CA certificate. */
  readonly caPem: string;
  /** The `KEY=value` lines that a client of this address needs; `address` is `host:port` as the client reached it. */
  env(address: string): string;
  /** The program by which a guest takes this proxy for its own. */
  readonly guestScript: string;
  /** Plain text for `/`. */
  status(): string;
}

export interface ListenOptions {
  /** A name or IP literal; port 0 picks a free one. */
  readonly host: string;
  readonly port: number;
  /** A listening socket of this process, bound to that address already: a service manager has handed it over. */
  readonly fd?: number;
  /** Every exchange that comes in here belongs to this session of the ledger. */
  readonly session?: string;
  /** Networks (CIDR) whose clients may come in here, beside those that may everywhere. */
  readonly allowClients?: readonly string[];
  /** What may be reached from here; `everything` unless said. */
  readonly profile?: Profile;
}

/**
 * `packages` is for guests that are to reach packages and nothing else: GET and HEAD, no blind tunnels, no private
 * addresses.
 */
export type Profile = "everything" | "packages";

export interface Listener {
  /** The address that was bound, with the port the system chose. */
  readonly host: string;
  readonly port: number;
  /** Stops accepting; connections that are open end when their exchange does. */
  close(): Promise<void>;
}

export interface ProxyCounters {
  readonly exchanges: number;
  readonly hits: number;
  readonly fills: number;
  /** Bodies that were not what their repository declares. */
  readonly mismatches: number;
  readonly fillsUnderWay: number;
  readonly originBytes: number;
  readonly clientBytes: number;
  readonly openConnections: number;
  readonly startedMs: number;
}

/** The network side of larder: listeners that share fills, connections to origins and counters. */
export interface Proxy {
  /** @throws LarderError `LISTEN_FAILED` with the address and the system's reason. */
  listen(options: ListenOptions): Promise<Listener>;
  counters(): ProxyCounters;
  /** Stops accepting, lets exchanges under way finish for `drainMs`, then cuts what is left. */
  close(options: { readonly drainMs: number }): Promise<void>;
}
