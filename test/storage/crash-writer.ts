/**
 * A child that commits without end until it is killed: bodies of many sizes, replaced, removed and evicted, some fills at a
 * time. The first argument is the root, the second the seed. It prints a line when it has begun, and one after each commit.
 */
import { systemClock } from "../../core/clock.ts";
import { silentLog } from "../../core/log.ts";
import { openStore } from "../../storage/open-store.ts";
import { noise } from "../support/noise.ts";
import { keyOf, storeBody } from "./bodies.ts";

const [rootDir = "", seed = ""] = process.argv.slice(2);
const FILLS = 4;
const NAMES = 40;
/** More than the longest bodies of all fills take at once, and those that wait for their rows: none is refused. */
const MAX_BYTES = 18_000_000;

const store = await openStore({ rootDir, maxBytes: MAX_BYTES, clock: systemClock, log: silentLog });
process.stdout.write("open\n");
await Promise.all(Array.from({ length: FILLS }, (_, lane) => fillWithoutEnd(lane)));

async function fillWithoutEnd(lane: number): Promise<never> {
  for (let n = 0; ; n++) {
    const random = noise(`${seed} ${lane} ${n}`, 8).readUInt32LE(0);
    const uri = `http://o/${random % NAMES}`;
    if (random % 7 === 0) store.remove(keyOf(uri));
    const bytes = random % 5 === 0 ? random % 2_000_000 : random % 20_000;
    await storeBody(store, uri, noise(`body ${random % 60}`, bytes));
    process.stdout.write("committed\n");
  }
}
