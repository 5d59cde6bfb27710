import net from "node:net";
import os from "node:os";
import type { Clock } from "../core/clock.ts";
import type { HostPort } from "../core/target.ts";
import { readNixKeys } from "../ecosystems/nix/signature.ts";
import { AddressRules } from "../policy/access/address-rules.ts";
import type { Totals } from "./answer/record.ts";
import { DeclaredFiles } from "./declared/declared.ts";
import { DeclaredFills } from "./declared/declared-fills.ts";
import { Generations } from "./declared/generations.ts";
import { Mismatches } from "./declared/mismatches.ts";
import { NarChecks } from "./declared/nar-checks.ts";
import { OtherCaches } from "./declared/other-caches.ts";
import { PassingRoots } from "./declared/passing-roots.ts";
import { RootFallbacks } from "./declared/root-fallbacks.ts";
import { SignedRoots } from "./declared/signed-roots.ts";
import { TakenRoots } from "./declared/taken-roots.ts";
import { Exchanges } from "./exchange/exchange.ts";
import { Filling } from "./exchange/filling.ts";
import { createLocalSite } from "./exchange/local.ts";
import { Fills } from "./fill/fills.ts";
import { HttpForwarder } from "./forwarding/forward.ts";
import { createUpgrader } from "./forwarding/upgrade.ts";
import { ClientConnections } from "./inbound/client-connections.ts";
import { Tunnels } from "./inbound/connect.ts";
import { connectionLimit } from "./inbound/connection-limit.ts";
import { BoundListener } from "./inbound/listener.ts";
import { createTargetGuard, packagesOnly } from "./inbound/packages-only.ts";
import { Breaker, breakConnections, breakTunnels, OriginBreaker } from "./origin/breaker.ts";
import { connectToOrigins, connectToParents, openTunnels } from "./origin/connect.ts";
import { createDialer, type Dialer } from "./origin/dial.ts";
import { OriginHold } from "./origin/hold.ts";
import { createOrigin, type Origin } from "./origin/origin.ts";
import { ParentTable } from "./origin/parents.ts";
import { createTlsClient } from "./origin/secure.ts";
import { Gate } from "./request/gate.ts";
import type { ListenOptions, Profile, Proxy, ProxyDependencies, ProxySettings } from "./settings.ts";
import { DerivedPages } from "./site/derived-pages.ts";
import { Substituter } from "./site/substituter.ts";

/**
 * Builds the proxy; nothing listens until {@link Proxy.listen}.
 * @throws LarderError `CONFIG_BAD_VALUE` for a setting that cannot be read.
 */
export function createProxy(dependencies: ProxyDependencies, settings: ProxySettings): Proxy {
  const { log, clock } = dependencies;
  const listeners = new Set<BoundListener>();
  const totals: Totals = { exchanges: 0, hits: 0, originBytes: 0, clientBytes: 0, mismatches: 0 };
  const gate = new Gate(dependencies.accounts, settings);
  const common = { dependencies, settings, gate, totals, isOwnListener: ownListenerCheck(listeners) };
  const sides = { everything: createSide("everything", common), packages: createSide("packages", common) };
  const both = [sides.everything, sides.packages];
  const { patience } = settings;
  const maxConnections = connectionLimit();
  const clients = new ClientConnections(settings.connectionsPerClient);
  const startedMs = clock();

  return {
    async listen({ profile = "everything", ...options }: ListenOptions) {
      const listener = await BoundListener.bind(options, {
        ...sides[profile],
        gate,
        log,
        patience,
        maxConnections,
        clients,
      });
      listeners.add(listener);
      const close = async (): Promise<void> => {
        await listener.close();
        listeners.delete(listener);
      };
      return { host: listener.host, port: listener.port, close };
    },
    counters: () => ({
      ...totals,
      fills: both.reduce((sum, { fills }) => sum + fills.started, 0),
      fillsUnderWay: both.reduce((sum, { fills }) => sum + fills.underWay, 0),
      openConnections: [...listeners].reduce((sum, listener) => sum + listener.openConnections, 0),
      startedMs,
    }),
    async close({ drainMs }) {
      const idle = both.map(({ fills }) => fills.idle());
      const drained = Promise.all([...[...listeners].map((listener) => listener.close()), ...idle]);
      await Promise.race([drained, sleep(drainMs)]);
      for (const listener of listeners) listener.cutAll();
      for (const { fills } of both) fills.cancelAll();
      await drained;
      await Promise.all(both.map((side) => side.close()));
    },
  };
}

interface Common {
  readonly dependencies: ProxyDependencies;
  readonly settings: ProxySettings;
  readonly gate: Gate;
  readonly totals: Totals;
  readonly isOwnListener: (host: string, port: number) => boolean;
}

/**
 * What the listeners of one profile lead to. The profiles share the store and nothing else: what one may connect to
 * must not come by a connection, or a fill under way, of the other.
 */
function createSide(profile: Profile, { dependencies, settings, gate, totals, isOwnListener }: Common) {
  const { store, ledger, contexts, log, clock } = dependencies;
  const isForPackages = profile === "packages";
  const isLoopbackOnly = settings.isLoopbackOnly && !isForPackages;
  const addresses = new AddressRules({ ...settings, isLoopbackOnly, ownAddresses: ownAddresses() });
  const dialer = createDialer({ addresses, isOwnListener });
  const routes = createRoutes(dialer, isOwnListener, { settings, clock });
  const breaker = new Breaker(clock);
  const origin = new OriginBreaker(createOrigin(routes, settings), breaker);
  const forFills = new OriginHold(origin, { clock, log, random: Math.random });
  const fills = new Fills({ store, origin: forFills, clock, log }, settings.fillsPerOrigin);
  const invalidate = (key: string): void => {
    fills.disown(key);
    store.invalidate(key);
  };
  const broken = { ...routes, connect: breakConnections(routes.connect, breaker) };
  const ways = isForPackages
    ? packagesOnly
    : {
        forwarder: new HttpForwarder({ ...broken, invalidate }, settings),
        upgrader: createUpgrader(broken, settings),
        openTunnel: breakTunnels(routes.openTunnel, breaker),
      };
  const { forwarder, upgrader, openTunnel } = ways;
  const records = { log, ledger, clock, totals, pseudonym: settings.pseudonym };
  const pages = new DerivedPages();
  const substituter = new Substituter(settings.nixUpstreams, pages);
  const local = createLocalSite(dependencies.pages, settings, substituter);
  const sources = createSources(dependencies, settings, { origin, fills, totals });
  const guard = isForPackages ? createTargetGuard(dialer) : undefined;
  const answering = { ...sources, fills, forwarder, upgrader, local, substituter, pages, guard };
  const exchanges = new Exchanges({ ...answering, addresses, gate, clock, records, settings });
  const tunnels = new Tunnels({ contexts, addresses, gate, log, clock, settings, isOwnListener, openTunnel });
  const close = async (): Promise<void> => {
    forwarder.close();
    await origin.close();
  };
  return { addresses, exchanges, tunnels, fills, close };
}

interface WayIn {
  readonly origin: Origin;
  readonly fills: Fills;
  readonly totals: Totals;
}

/** What answers come from: the store, fills of what is declared and of what is not, and what stands in for roots. */
function createSources(dependencies: ProxyDependencies, settings: ProxySettings, { origin, fills, totals }: WayIn) {
  const { store, declarations: index, learner, narChecker: checker, log, clock } = dependencies;
  const onMismatch = (): void => {
    totals.mismatches += 1;
  };
  const mismatches = new Mismatches({ index, clock, log, onMismatch });
  const narChecks = checker === undefined ? undefined : new NarChecks({ checker, store, mismatches, log });
  const taken = new TakenRoots({ takenRoots: index.takenRoots, clock });
  const generations = new Generations({ index, learner, fills, origin, mismatches, taken, clock });
  const passingRoots = new PassingRoots({ learner, taken, log });
  const nixKeys = readNixKeys(settings.nixPublicKeys);
  const signedRoots = new SignedRoots({ store, origin, clock, log, demand: dependencies.signatures, nixKeys });
  const filling = new Filling({ store, fills, origin, generations, passingRoots, signedRoots, clock });
  const otherCaches = new OtherCaches({ filling, settings });
  const declaredFills = new DeclaredFills({
    index,
    fills,
    generations,
    learner,
    mismatches,
    narChecks,
    otherCaches,
    clock,
    settings,
  });
  const declaring = { index, store, fills, filling, declaredFills, generations, clock, settings };
  const declaredFiles = new DeclaredFiles(declaring);
  const rootFallbacks = new RootFallbacks({ store, clock });
  return { store, filling, declaredFiles, generations, signedRoots, rootFallbacks };
}

/** Whether an address of this machine, or `localhost`, and a port are one of larder's own listeners. */
function ownListenerCheck(listeners: ReadonlySet<BoundListener>): (host: string, port: number) => boolean {
  return (host, port) => {
    if (![...listeners].some((listener) => listener.port === port)) return false;
    return host === "localhost" || (net.isIP(host) !== 0 && (isLoopbackAddress(host) || ownAddresses().includes(host)));
  };
}

/** The ways out: direct or through parent proxies, for requests and for tunnels. */
function createRoutes(
  dialer: Dialer,
  isOwnListener: (address: string, port: number) => boolean,
  options: RouteOptions,
) {
  const { settings, clock } = options;
  const isSelf = ({ host, port }: HostPort): boolean => isOwnListener(host, port);
  const parents = new ParentTable(settings.parentProxies, { clock, isSelf });
  const secure = createTlsClient(settings);
  const ways = { dialer, secure, settings, parents };
  return {
    parents,
    connect: connectToOrigins(ways),
    connectToParents: connectToParents(secure, settings),
    openTunnel: openTunnels(ways),
  };
}

interface RouteOptions {
  readonly settings: ProxySettings;
  readonly clock: Clock;
}

function ownAddresses(): string[] {
  return Object.values(os.networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
}

function isLoopbackAddress(address: string): boolean {
  return LOOPBACK.check(address, net.isIPv6(address) ? "ipv6" : "ipv4");
}

const LOOPBACK = new net.BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** Does not keep the process alive. */
function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
