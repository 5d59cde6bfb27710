/** A child that opens the store of its first argument, says so, and holds it. */
import { systemClock } from "../../core/clock.ts";
import { silentLog } from "../../core/log.ts";
import { openStore } from "../../storage/open-store.ts";

await openStore({ rootDir: process.argv[2] as string, maxBytes: 1024 ** 3, clock: systemClock, log: silentLog });
process.stdout.write("open\n");
setInterval(() => undefined, 60_000);
