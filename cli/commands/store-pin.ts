import type { Pin } from "../../storage/maintenance/keeping.ts";
import { careCommand } from "../store/care-command.ts";
import { countOf } from "../store/count.ts";

/** `larder store pin` */
export const pin = careCommand(async ({ invocation, door, watch }) => {
  const { pins, isInterrupted } = await (await door.care()).pin({ what: invocation.operands }, watch);
  return { json: pins, lines: [...describe(pins), `pinned ${countOf(pins.length, "blob")}`], isInterrupted };
});

/** `larder store unpin` */
export const unpin = careCommand(async ({ invocation, door, watch }) => {
  const { pins, isInterrupted } = await (await door.care()).unpin({ what: invocation.operands }, watch);
  return { json: pins, lines: [...describe(pins), `unpinned ${countOf(pins.length, "blob")}`], isInterrupted };
});

function describe(pins: readonly Pin[]): string[] {
  return pins.map(({ digest, uri = "" }) => `${digest.slice(0, 12)}  ${uri}`.trimEnd());
}
