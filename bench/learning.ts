import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { get } from "../test/support/client.ts";
import { folderHandler } from "../test/support/files.ts";
import { larderEnvironment, runLarder } from "../test/support/larder.ts";
import { type BigRepository, makeDebRepository, makeRpmRepository } from "./big-repositories.ts";
import { describeMachine } from "./machine.ts";
import type { Turns } from "./programs/watched.ts";
import type { Server } from "./servers.ts";
import { Workbench } from "./workbench.ts";

/**
 * `npm run bench:learning`: how long a large index takes until what it declares is known, and what it does to the main
 * thread.
 */
const PROGRAM = resolve(import.meta.dirname, "../dist/cli/main.js");
const ANNOUNCEMENT = /^larder listening on http:\/\/127\.0\.0\.1:(\d+)$/m;
const CASES = [
  { make: makeDebRepository, wantedSeconds: 5 },
  { make: makeRpmRepository, wantedSeconds: 15 },
] as const;
const WANTED_DELAY_MS = 50;

interface Through {
  readonly folder: string;
  readonly port: number;
  readonly server: Server;
}

interface Reading {
  readonly seconds: number;
  readonly turns: Turns;
}

/**
 * Starts a larder with an empty store, and an origin that serves the folder twice: at `/repository/`, and at `/plain/`
 * under names that nobody reads.
 */
async function measure(workbench: Workbench, repository: BigRepository): Promise<Record<"learnt" | "passed", Reading>> {
  const asRepository = folderHandler("/repository/", repository.folder);
  const asPlain = folderHandler("/plain/", repository.folder);
  const origin = createServer((request, response) => {
    const isPlain = request.url?.startsWith("/plain/") === true;
    if (isPlain) request.url = request.url?.replace(/\.bin$/, "");
    void (isPlain ? asPlain : asRepository)(request, response);
  });
  await new Promise<void>((listening) => origin.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
  const through = await startLarder(workbench);
  try {
    const index = `${url}/repository/${repository.index}`;
    const passed = await watch(through, () => must(through, `${url}/plain/${repository.index}.bin`));
    await must(through, `${url}/repository/${repository.root}`);
    const learnt = await watch(through, async () => {
      await must(through, index);
      await untilDeclared(through, `${url}/repository/${repository.lastPackage}`);
    });
    await mustBeDeclared(through, `${url}/repository/${repository.lastPackage}`);
    return { learnt, passed };
  } finally {
    await workbench.end(through.server);
    origin.close();
    origin.closeAllConnections();
  }
}

async function startLarder(workbench: Workbench): Promise<Through> {
  const folder = await workbench.makeFolder("larder");
  const args = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--allow-destination", "127.0.0.0/8"];
  const server = workbench.startProgram("watched", folder, { args, env: larderEnvironment(folder) });
  const port = await server.ready(async () => ANNOUNCEMENT.exec(await server.output())?.[1]);
  return { folder, server, port: Number(port) };
}

async function watch({ server }: Through, work: () => Promise<void>): Promise<Reading> {
  await server.ask("begin");
  const startedMs = performance.now();
  await work();
  const seconds = (performance.now() - startedMs) / 1000;
  return { seconds, turns: await server.ask<Turns>("end") };
}

async function must(through: Through, url: string): Promise<void> {
  const { status, isWhole } = await get(through, url);
  if (status !== 200 || !isWhole) throw new Error(`${url} was answered with ${status}`);
}

/** A request for what an index may declare waits until that is known; one that may ask no origin costs nothing else. */
async function untilDeclared(through: Through, url: string): Promise<void> {
  const { status, body } = await get(through, url, { "Cache-Control": "only-if-cached" });
  if (status !== 504) throw new Error(`${url} was answered with ${status}: ${body}`);
}

async function mustBeDeclared({ folder }: Through, url: string): Promise<void> {
  const { stdout } = await runLarder(["why", url, "--json"], { folder });
  if (JSON.parse(stdout.toString()).declaration === undefined) throw new Error(`nothing was learnt about ${url}`);
}

function lineOf({ seconds, turns }: Reading): string {
  const { longestDelayMs, longestBusyMs, longestWaitMs } = turns;
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  return `${seconds.toFixed(1)} s; event loop delayed by ${ms(longestDelayMs)} at most, of which one turn ${ms(longestBusyMs)} at most and waiting for a core ${ms(longestWaitMs)} at most`;
}

const workbench = await Workbench.open();
try {
  const { processor, cores, kernel, node } = describeMachine();
  console.log(`${processor}, ${cores} cores, ${kernel}, node ${node}; wanted: no delay over ${WANTED_DELAY_MS} ms`);
  for (const { make, wantedSeconds } of CASES) {
    const repository = await make(join(workbench.folder, make.name));
    const { learnt, passed } = await measure(workbench, repository);
    const size = `${(repository.bytes / 2 ** 20).toFixed(0)} MiB unpacked, ${repository.packages} packages`;
    console.log(`\n${repository.name} (${size}), wanted in ${wantedSeconds} s`);
    console.log(`  fetched and learnt in ${lineOf(learnt)}`);
    console.log(`  the same bytes, fetched only, in ${lineOf(passed)}`);
  }
} finally {
  await workbench.close();
}
