import { mkdtemp, readdir, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base, expect } from "vitest";
import { loadOrCreateAuthority } from "../../certs/authority.ts";
import { LeafContexts } from "../../certs/contexts.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { createLearner } from "../../learn/learner.ts";
import type { NarChecker } from "../../learn/nar/checker.ts";
import { ParentTable } from "../../proxy/origin/parents.ts";
import { createProxy } from "../../proxy/proxy.ts";
import type { Accounts, Listener, Proxy as NetworkSide, ProxySettings } from "../../proxy/settings.ts";
import { openDeclarations } from "../../storage/declarations/open-declarations.ts";
import { openLedger } from "../../storage/ledger.ts";
import type { LocalStore } from "../../storage/local-store.ts";
import { openStore } from "../../storage/open-store.ts";
import type { Ledger, LedgerEvent } from "../../storage/store.ts";
import { type Authority, createAuthority } from "../support/authority.ts";
import { Origin } from "../support/origin.ts";

/** Settings that let the tests' origins be reached, and nothing stand in their way. */
export const SETTINGS: ProxySettings = {
  allowClients: [],
  trustedProxies: [],
  allowDestinations: ["127.0.0.0/8", "::1"],
  isLoopbackOnly: true,
  intercept: [],
  tunnel: [],
  serverNames: [],
  patience: { headMs: 60_000, idleMs: 75_000, stalledMs: 900_000 },
  connectionsPerClient: 20_000,
  connectTimeoutMs: 5_000,
  headersTimeoutMs: 5_000,
  bodyTimeoutMs: 5_000,
  tunnelIdleMs: 60_000,
  tunnelUntrustingMs: 600_000,
  rootFreshForMs: 300_000,
  targetedFields: [],
  nixPublicKeys: [],
  nixUpstreams: [],
  minReleaseAgeMs: 0,
  minReleaseAgeAllow: [],
  fillsPerOrigin: 16,
  verifyRanges: "wait",
  rangeWaitBytes: 16 * 1024 * 1024,
  parentProxies: { http: undefined, https: undefined, noProxy: "", rules: [] },
  originRoots: "",
  originAccess: [],
  pseudonym: "larder-test",
};

/** No proxy stands before any origin. */
export const NO_PARENTS = new ParentTable(SETTINGS.parentProxies, { clock: systemClock, isSelf: () => false });

/** One line of the log. */
export interface LogLine {
  readonly message: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** The network side of larder in this process, with a store, an index and an authority of its own, and real sockets. */
export interface Bench {
  readonly proxy: NetworkSide;
  readonly port: number;
  readonly listener: Listener;
  readonly store: LocalStore;
  /** PEM that a client trusts larder by. */
  readonly ca: string;
  readonly log: readonly LogLine[];
  readonly events: readonly LedgerEvent[];
  /** Resolves when a line with that message has been logged for the `count`th time. */
  logged(message: string, count?: number): Promise<LogLine>;
  /** Resolves with the first event that fits, once the ledger has it: that is after its client has the answer. */
  recorded(fits: (event: LedgerEvent) => boolean): Promise<LedgerEvent>;
  /** Ends it before the test does. Idempotent. */
  stop(): Promise<void>;
}

export interface BenchOptions {
  readonly settings?: Partial<ProxySettings>;
  readonly accounts?: Accounts;
  /** Closed by the test. */
  readonly narChecker?: NarChecker;
  /** The machine's own unless said. */
  readonly clock?: Clock;
  /** Where the store stands; a folder of the test's own otherwise. */
  readonly rootDir?: string;
}

/** What the tests of proxy/ need: a folder, origins, and larders with settings of the test's choice. */
export const test = base
  .extend("folder", async ({ task: _ }, { onCleanup }) => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "larder-proxy-")));
    onCleanup(() => rm(folder, { recursive: true, force: true }));
    return folder;
  })
  .extend("authority", ({ folder }): Promise<Authority> => createAuthority(folder))
  .extend("origin", async ({ task: _ }, { onCleanup }) => {
    const origin = await Origin.start();
    onCleanup(() => origin.stop());
    return origin;
  })
  .extend("secureOrigin", async ({ authority }, { onCleanup }) => {
    const origin = await Origin.start({ tls: authority.certificate("good"), name: "localhost" });
    onCleanup(() => origin.stop());
    return origin;
  })
  .extend("startLarder", async ({ folder }, { onCleanup }) => {
    const started: Bench[] = [];
    onCleanup(async () => {
      for (const bench of started.reverse()) await bench.stop();
    });
    return async (options: BenchOptions = {}): Promise<Bench> => {
      const bench = await startBench(join(folder, `larder-${started.length}`), options);
      started.push(bench);
      return bench;
    };
  });

async function startBench(folder: string, options: BenchOptions): Promise<Bench> {
  const { clock = systemClock } = options;
  const lines = new Told<LogLine>();
  const events = new Told<LedgerEvent>();
  const log = logInto(lines);
  const rootDir = options.rootDir ?? join(folder, "root");
  const store = await openStore({ rootDir, maxBytes: 1024 ** 3, clock, log });
  const keptLedger = await openLedger({ stateDir: join(folder, "state"), clock, log });
  const ledger: Ledger = {
    record: (event) => events.add(event),
    openSession: (name) => keptLedger.openSession(name),
    closeSession: (id) => keptLedger.closeSession(id),
    close: () => keptLedger.close(),
  };
  const files = { certFile: join(folder, "ca", "ca.pem"), keyFile: join(folder, "ca", "ca.key") };
  const authority = loadOrCreateAuthority({ ...files, nowMs: clock(), create: true });
  const contexts = new LeafContexts({ authority, clock, maxContexts: 50 });
  const declarations = openDeclarations({ rootDir, mayDelegate: () => false, clock, log });
  const learner = createLearner({ rootDir, index: declarations, clock, log });
  const pages = {
    caPem: authority.chainPem,
    env: (address: string) => `at ${address}\n`,
    guestScript: "#!/bin/sh\n",
    status: () => "well\n",
  };
  const proxy = createProxy(
    {
      accounts: options.accounts,
      narChecker: options.narChecker,
      store,
      declarations,
      learner,
      ledger,
      contexts,
      log,
      clock,
      pages,
    },
    { ...SETTINGS, ...options.settings },
  );
  const listener = await proxy.listen({ host: "127.0.0.1", port: 0 });
  const { port } = listener;
  const logged = (message: string, count = 1) => lines.waitFor((line) => line.message === message, count);
  const recorded = (fits: (event: LedgerEvent) => boolean) => events.waitFor(fits);
  let ending: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    await proxy.close({ drainMs: 0 });
    expect(proxy.counters()).toMatchObject({ fillsUnderWay: 0, openConnections: 0 });
    await learner.close();
    declarations.close();
    keptLedger.close();
    await store.close();
    expect(await readdir(join(rootDir, "staging"))).toEqual([]);
  };
  const stop = (): Promise<void> => {
    ending ??= end();
    return ending;
  };
  const heard = { log: lines.all, events: events.all, logged, recorded };
  return { proxy, port, listener, store, ca: authority.chainPem, ...heard, stop };
}

function logInto(lines: Told<LogLine>): Log {
  const add = (facts: LogLine["facts"], message: string): void => lines.add({ facts, message });
  return { debug: add, info: add, warn: add, error: add };
}

/** Keeps all that it is told, and tells who waits for it. */
class Told<One> {
  readonly all: One[] = [];
  readonly #waiting = new Set<() => void>();

  add(one: One): void {
    this.all.push(one);
    for (const look of this.#waiting) look();
  }

  /** Resolves with the `count`th that fits, as soon as there is one. */
  waitFor(fits: (one: One) => boolean, count = 1): Promise<One> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.all.filter(fits)[count - 1];
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}
