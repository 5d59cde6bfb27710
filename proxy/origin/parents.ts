import type { Clock } from "../../core/clock.ts";
import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort, parseHostPort, type Scheme } from "../../core/target.ts";
import { exactnessOf, UNNAMED } from "../../policy/access/host-patterns.ts";
import type { ParentProxies, ParentRule } from "../settings.ts";
import { isConnectFailure, originFault } from "./faults.ts";
import { NoProxy } from "./no-proxy.ts";

/** A proxy of the user's that stands before origins. */
export interface ParentProxy extends HostPort {
  readonly scheme: Scheme;
  /** `scheme://authority`, as undici names an origin. */
  readonly origin: string;
  /** Value of Proxy-Authorization, when the proxy wants credentials. */
  readonly authorization: string | undefined;
}

/** A way out: through a parent proxy, or straight to the origin. */
export type Route = ParentProxy | "direct";

export interface ParentDependencies {
  readonly clock: Clock;
  /** Whether an address is this larder: never a parent of its own. */
  readonly isSelf: (parent: HostPort) => boolean;
}

/** How long a parent that did not lead out is asked after the others. */
const LAST_FOR_MS = 30_000;

/**
 * The ways out to each origin: by the rule whose host pattern is the most exact, else as `http_proxy`, `https_proxy`
 * and `no_proxy` say, else direct.
 */
export class ParentTable {
  readonly #rules: readonly { readonly rule: ParentRule; readonly routes: readonly Route[] }[];
  readonly #parents: Readonly<Record<Scheme, ParentProxy | undefined>>;
  readonly #direct: NoProxy;
  readonly #deps: ParentDependencies;
  readonly #failedMs = new Map<ParentProxy, number>();

  /** @throws LarderError `CONFIG_BAD_VALUE` when a proxy URL cannot be read. */
  constructor({ http, https, noProxy, rules }: ParentProxies, dependencies: ParentDependencies) {
    this.#rules = rules.map((rule) => ({
      rule,
      routes: rule.routes.map((written) => readRoute(written, rule.credentials)),
    }));
    this.#parents = { http: readParent(http), https: readParent(https) };
    this.#direct = new NoProxy(noProxy);
    this.#deps = dependencies;
  }

  /** In the order in which to try them; never empty. Those that failed a moment ago come last. */
  routesTo(scheme: Scheme, target: HostPort): readonly Route[] {
    const routes = this.#routesOf(scheme, target).filter((route) => route === "direct" || !this.#deps.isSelf(route));
    const hasFailed = routes.map((route) => this.#hasFailed(route));
    const inOrder = [...routes.filter((_, i) => !hasFailed[i]), ...routes.filter((_, i) => hasFailed[i])];
    return inOrder.length === 0 ? ["direct"] : inOrder;
  }

  /**
   * Goes each way in turn until one leads out.
   * @param attempt is made again by another way after a failure to connect and after `PARENT_PROXY`; it must not have
   * sent by then
   *   what may be sent only once
   * @throws what the attempt threw; where all failed, the first fault, which tells of the others.
   */
  async reach<T>(scheme: Scheme, target: HostPort, attempt: (route: Route, isLast: boolean) => Promise<T>): Promise<T> {
    const routes = this.routesTo(scheme, target);
    if (routes.length === 1) return await attempt(routes[0] as Route, true);
    const faults: LarderError[] = [];
    for (const [i, route] of routes.entries()) {
      try {
        const reached = await attempt(route, i === routes.length - 1);
        if (route !== "direct") this.#failedMs.delete(route);
        return reached;
      } catch (error) {
        const fault = originFault(error, route === "direct" ? formatAuthority(target) : `proxy ${route.origin}`);
        if (!isConnectFailure(fault) && fault.code !== "PARENT_PROXY") throw error;
        this.#noteFault(route, fault);
        faults.push(fault);
      }
    }
    const [first] = faults as [LarderError];
    throw new LarderError(first.code, faults.map(({ message }) => message).join("; then "), { cause: first });
  }

  /**
   * A status tells of the origin as often as of the parent; that larder's credentials are not good enough, of the
   * parent only.
   */
  #noteFault(route: Route, fault: LarderError): void {
    const { status = 407 } = fault.details;
    if (route === "direct" || status !== 407) return;
    this.#failedMs.set(route, this.#deps.clock());
  }

  #hasFailed(route: Route): boolean {
    if (route === "direct") return false;
    const agoMs = this.#deps.clock() - (this.#failedMs.get(route) ?? Number.NEGATIVE_INFINITY);
    // A clock that was put back must not make it longer.
    return agoMs >= 0 && agoMs < LAST_FOR_MS;
  }

  #routesOf(scheme: Scheme, target: HostPort): readonly Route[] {
    const rated = this.#rules
      .filter(({ rule }) => rule.scheme === undefined || rule.scheme === scheme)
      .map(({ rule, routes }) => ({
        routes,
        exactness: Math.max(...rule.hosts.map((p) => exactnessOf(p, target.host))),
      }))
      .filter(({ exactness }) => exactness !== UNNAMED)
      .sort((a, b) => b.exactness - a.exactness);
    if (rated[0] !== undefined) return rated[0].routes;
    const parent = this.#direct.matches(target) ? undefined : this.#parents[scheme];
    return parent === undefined ? ["direct"] : [parent];
  }
}

/**
 * Reads `direct`, or the URL of a proxy.
 * @param credentials `user:password`, where the URL has none
 * @throws LarderError `CONFIG_BAD_VALUE`, which writes no password down
 */
export function readRoute(written: string, credentials?: string): Route {
  const parent = written === "direct" ? undefined : readParent(written);
  if (parent === undefined || credentials === undefined || parent.authorization !== undefined)
    return parent ?? "direct";
  return { ...parent, authorization: basic(credentials) };
}

function readParent(text: string | undefined): ParentProxy | undefined {
  if (text === undefined || text === "") return undefined;
  const absolute = text.includes("://") ? text : `http://${text}`;
  const url = URL.canParse(absolute) ? new URL(absolute) : undefined;
  const scheme = url?.protocol.slice(0, -1);
  if (url === undefined || (scheme !== "http" && scheme !== "https"))
    throw new LarderError(
      "CONFIG_BAD_VALUE",
      `proxy ${withoutCredentials(text)}: write http://[user:password@]host:port`,
    );
  const { host, port } = parseHostPort(url.host);
  const at = { host, port: port ?? (scheme === "http" ? 80 : 443) };
  const user = `${decoded(url.username)}:${decoded(url.password)}`;
  return {
    scheme,
    ...at,
    origin: `${scheme}://${formatAuthority(at)}`,
    authorization: user === ":" ? undefined : basic(user),
  };
}

/** A parent that wants credentials, or others. */
export function unauthorizedAt({ origin }: ParentProxy): LarderError {
  return new LarderError("PARENT_PROXY", `proxy ${origin} answered 407: it wants other credentials`, {
    details: { parent: origin, status: 407 },
  });
}

/** The URL of a proxy as it may be shown. */
export function withoutCredentials(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)?[^/]*@/i, "$1…@");
}

function basic(credentials: string): string {
  return `Basic ${Buffer.from(credentials).toString("base64")}`;
}

/** A `%` that escapes nothing stands for itself: passwords have them. */
function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escaped) => Buffer.from(escaped.replaceAll("%", ""), "hex").toString());
}
