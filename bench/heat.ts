import type { Authority } from "../test/support/authority.ts";
import type { Contestant } from "./contestants/contestant.ts";
import { cpuSecondsOf, peakRssBytesOf, untilQuiet } from "./measure.ts";
import type { Route, Scheme } from "./programs/protocol.ts";
import { type Scenario, unitsOf } from "./scenarios.ts";
import type { Server } from "./servers.ts";
import type { Traffic } from "./traffic.ts";
import type { Workbench } from "./workbench.ts";

export interface Premises {
  readonly workbench: Workbench;
  readonly authority: Authority;
  readonly traffic: Traffic;
}

/** One scenario on one scheme; on https a proxy intercepts, or says that it cannot. */
export interface Discipline {
  readonly scenario: Scenario;
  readonly scheme: Scheme;
}

/** What a contestant spent in one heat. */
export type Outcome =
  | {
      readonly state: "measured";
      /** CPU seconds per unit of the scenario, one a round; the n-th of every contestant belong together. */
      readonly cpuSeconds: readonly number[];
      readonly peakRssBytes: number;
    }
  | NotMeasured;

export type NotMeasured =
  | { readonly state: "absent"; readonly reason: string }
  | { readonly state: "failed"; readonly reason: string };

export interface Heat extends Discipline {
  /** By the name of the contestant. */
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

interface Entrant {
  readonly name: string;
  readonly server: Server;
  readonly route: Route;
  readonly cpuSeconds: number[];
}

/**
 * Starts every contestant afresh, warms each up by a round that does not count, and then lets them take turns
 * (A B C, A B C …), so that whatever else the machine does meets all of them alike. One that fails is out of this heat.
 */
export async function runHeat(
  premises: Premises,
  discipline: Discipline,
  { contestants, rounds }: { readonly contestants: readonly Contestant[]; readonly rounds: number },
): Promise<Heat> {
  const out = new Map<string, NotMeasured>();
  const entrants: Entrant[] = [];
  const attempt = async (name: string, act: () => Promise<unknown>) => {
    if (out.has(name)) return;
    await act().catch((error: unknown) => {
      out.set(name, { state: "failed", reason: error instanceof Error ? error.message : String(error) });
    });
  };
  try {
    for (const contestant of contestants) {
      const reason = await contestant.absence(discipline.scheme);
      if (reason !== undefined) out.set(contestant.name, { state: "absent", reason });
      await attempt(contestant.name, async () => entrants.push(await admit(premises, discipline, contestant)));
    }
    for (let round = 0; round <= rounds; round += 1) {
      for (const entrant of entrants)
        await attempt(entrant.name, () => takeTurn(premises, discipline, { entrant, round }));
    }
    const outcomes = new Map<string, Outcome>(entrants.map((entrant) => [entrant.name, outcomeOf(entrant)]));
    for (const [name, notMeasured] of out) outcomes.set(name, notMeasured);
    return { ...discipline, outcomes };
  } finally {
    for (const { server } of entrants) await premises.workbench.end(server);
  }
}

/** Starts the contestant and puts into its store what is to be hit. */
async function admit(premises: Premises, { scenario, scheme }: Discipline, contestant: Contestant): Promise<Entrant> {
  const { workbench, authority, traffic } = premises;
  const { name } = contestant;
  const folder = await workbench.makeFolder(name);
  const { server, routes } = await contestant.start({ workbench, authority, originPorts: traffic.originPorts, folder });
  const route = routes[scheme];
  if (route === undefined) throw new Error(`no way through it for ${scheme}`);
  if (scenario.kind === "hits")
    await traffic.send({ ...scenario, scheme, route, first: 0, requests: scenario.distinct });
  return { name, server, route, cpuSeconds: [] };
}

/** @param round 0 is the warm-up. @throws Error when a hit went to the origin, or a miss did not */
async function takeTurn(
  { traffic }: Premises,
  { scenario, scheme }: Discipline,
  { entrant, round }: { readonly entrant: Entrant; readonly round: number },
): Promise<void> {
  const { kind, requests, distinct } = scenario;
  const { route, server, cpuSeconds } = entrant;
  const first = kind === "hits" ? 0 : round * distinct;
  const before = cpuSecondsOf(server.pid);
  const fetched = await traffic.send({ ...scenario, scheme, route, first }).catch(async (error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : error}${await server.lastWords()}`);
  });
  if (kind === "misses") await untilQuiet(server.pid);
  const spent = cpuSecondsOf(server.pid) - before;
  const expected = kind === "hits" ? 0 : requests;
  if (fetched !== expected)
    throw new Error(`${requests} ${kind} made ${fetched} requests to the origin, not ${expected}`);
  if (round > 0) cpuSeconds.push(spent / unitsOf(scenario));
}

function outcomeOf({ cpuSeconds, server }: Entrant): Outcome {
  return { state: "measured", cpuSeconds, peakRssBytes: peakRssBytesOf(server.pid) };
}
