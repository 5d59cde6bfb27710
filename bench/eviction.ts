import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fillQuickly } from "../test/storage/fill-quickly.ts";
import { larderEnvironment, PROGRAM, runLarder } from "../test/support/larder.ts";
import { describeMachine } from "./machine.ts";
import type { Turns } from "./programs/watched.ts";
import type { Server } from "./servers.ts";
import { Workbench } from "./workbench.ts";

/**
 * `npm run bench:eviction`: what others wait for while a store is emptied at full speed, told by what held the main thread the longest.
 */
const BLOBS = 100_000;
/** What is left after each of the rounds, of bodies of some ten bytes. */
const LEFT_BYTES = [700_000, 400_000, 100_000] as const;
const AT_REST_MS = 5_000;
const ANNOUNCEMENT = /^larder listening on http:\/\/127\.0\.0\.1:\d+$/m;

async function watch<T>(server: Server, work: () => Promise<T>) {
  await server.ask("begin");
  const startedMs = performance.now();
  const result = await work();
  const seconds = (performance.now() - startedMs) / 1000;
  return { result, seconds, turns: await server.ask<Turns>("end") };
}

function say(what: string, { longestDelayMs, longestBusyMs, longestWaitMs, longestBlockedMs }: Turns): void {
  const [delay, busy, wait, blocked] = [longestDelayMs, longestBusyMs, longestWaitMs, longestBlockedMs].map((ms) =>
    ms.toFixed(0),
  );
  console.log(
    `  ${delay} ms at most; on a core ${busy}, without a core ${wait}, for the disk or a lock ${blocked}  ${what}`,
  );
}

async function collect(folder: string, maxBytes: number): Promise<number> {
  const { code, stdout, stderr } = await runLarder(["store", "gc", "--max-bytes", `${maxBytes}`, "--json"], { folder });
  if (code !== 0) throw new Error(`larder store gc ended with ${code}: ${stderr}`);
  return (JSON.parse(stdout.toString()) as { readonly blobs: number }).blobs;
}

const workbench = await Workbench.open();
try {
  const { processor, cores, kernel, node } = describeMachine();
  console.log(`${processor}, ${cores} cores, ${kernel}, node ${node}; how long the event loop was delayed`);
  const folder = await workbench.makeFolder("evicted");
  await mkdir(join(folder, "run"), { mode: 0o700 });
  await fillQuickly(join(folder, "cache/larder"), BLOBS);
  const args = [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--max-bytes", "10GiB", "--log-level", "error"];
  const server = workbench.startProgram("watched", folder, { args, env: larderEnvironment(folder) });
  await server.ready(async () => ANNOUNCEMENT.exec(await server.output())?.[0]);
  say("at rest", (await watch(server, () => sleep(AT_REST_MS))).turns);
  for (const bytes of LEFT_BYTES) {
    const { result, seconds, turns } = await watch(server, () => collect(folder, bytes));
    say(`while ${result} blobs were evicted, ${Math.round(result / seconds)} a second`, turns);
  }
  await workbench.end(server);
} finally {
  await workbench.close();
}
