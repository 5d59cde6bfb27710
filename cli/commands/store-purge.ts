import { setImmediate as nextTurn } from "node:timers/promises";
import { LarderError } from "../../core/errors.ts";
import { parseUriPattern } from "../../core/uri-pattern.ts";
import { Rows } from "../../storage/maintenance/rows.ts";
import { formatBytes } from "../line/output.ts";
import { type CareContext, type CareReport, careCommand } from "../store/care-command.ts";
import { countOf } from "../store/count.ts";
import { withStoreOnDisk } from "../store/open-store.ts";

/** `larder store purge PATTERN`: what matches nothing is exit code 0, for it is not there, which was the wish. */
export const purge = careCommand(async (context) => {
  const [pattern] = context.invocation.operands;
  if (pattern === undefined) throw new LarderError("USAGE", "name a pattern such as 'https://example.org/**'");
  if (context.invocation.flags["dryRun"] === true) return foretell(context, pattern);
  const purged = await (await context.door.care()).purge({ pattern }, context.watch);
  const { entries, blobs, bytes, pinnedBlobs, isInterrupted } = purged;
  const pinned = pinnedBlobs === 0 ? "" : `; ${countOf(pinnedBlobs, "pinned blob")} kept`;
  const line = `purged ${countOf(entries, "entry", "entries")}, ${countOf(blobs, "blob")}, ${formatBytes(bytes)}${pinned}`;
  return { json: purged, lines: entries === 0 ? [nothingMatches(pattern)] : [line], isInterrupted };
});

/** The URIs, one a line. */
async function foretell({ config, watch }: CareContext, pattern: string): Promise<CareReport> {
  const { matches } = parseUriPattern(pattern);
  const uris = await withStoreOnDisk(config.settings, async ({ db }) => {
    const found: string[] = [];
    for (const rows of new Rows(db).entries()) {
      for (const { uri } of rows) if (matches(uri)) found.push(uri);
      await nextTurn();
      if (watch.signal.aborted) break;
    }
    return found.sort();
  });
  return {
    json: { uris, isDryRun: true },
    lines: uris.length === 0 ? [nothingMatches(pattern)] : uris,
    isInterrupted: watch.signal.aborted,
  };
}

function nothingMatches(pattern: string): string {
  return `nothing matches ${JSON.stringify(pattern)}; a pattern is about whole URIs, ** stands for any text and * for any without a slash`;
}
