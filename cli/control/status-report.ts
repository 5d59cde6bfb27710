import type { ProxyCounters } from "../../proxy/settings.ts";
import type { ScrubReport } from "../../storage/maintenance/scrub.ts";
import type { StoreUsage } from "../../storage/store.ts";
import { formatAge, formatBytes, tabulate } from "../line/output.ts";

/** What a running larder says about itself. */
export interface StatusReport {
  readonly version: string;
  readonly pid: number;
  readonly root: string;
  /** `http://host:port` of each listener that is open to everyone who may come in. */
  readonly listening: readonly string[];
  readonly sessions: readonly { readonly id: string; readonly name: string }[];
  readonly counters: ProxyCounters;
  readonly usage: StoreUsage;
  readonly scrub: ScrubReport;
}

/** The report as lines for a person: `larder status`, and `/` on the proxy's own port. */
export function describeStatus(report: StatusReport, nowMs: number): string[] {
  const { version, pid, root, listening, sessions, counters, usage, scrub } = report;
  const { exchanges, hits, fills, fillsUnderWay, mismatches, originBytes, clientBytes } = counters;
  const { openConnections, startedMs } = counters;
  return tabulate([
    ["larder", `${version}, process ${pid}, since ${new Date(startedMs).toISOString()}`],
    ["listening", listening.join(", ") || "for its sessions only"],
    ["sessions", sessions.map(({ name }) => name).join(", ") || "none"],
    ["exchanges", `${exchanges}, ${hits} hits, ${openConnections} open connections`],
    ["fills", `${fills}, ${fillsUnderWay} under way, ${mismatches} mismatches`],
    ["bytes", `${formatBytes(originBytes)} from origins, ${formatBytes(clientBytes)} to clients`],
    ["store", `${root}, ${describeUsage(usage, nowMs)}`],
    ["scrub", describeScrub(scrub, nowMs)],
  ]);
}

/** `on; last ended 3 d ago: 12345 blobs, 0 lost` */
function describeScrub({ everyMs, round, last }: ScrubReport, nowMs: number): string {
  const under = round && `${Math.floor(round.share * 100)} % done, ${round.blobs} blobs, ${round.lost} lost`;
  const ended = last && `last ended ${formatAge(nowMs - last.endedMs)} ago: ${last.blobs} blobs, ${last.lost} lost`;
  return [everyMs === 0 ? "off" : "on", under, ended].filter((part) => part !== undefined).join("; ");
}

/** `1.2 GiB of 50.0 GiB, 123 blobs, 130 entries, index copied 3 h ago` */
export function describeUsage(usage: StoreUsage, nowMs: number): string {
  const { blobs, entries, blobBytes, stagingBytes, maxBytes, indexCopiedMs } = usage;
  const filling = stagingBytes === 0 ? "" : `, ${formatBytes(stagingBytes)} being filled`;
  const copied = indexCopiedMs === undefined ? "not copied yet" : `copied ${formatAge(nowMs - indexCopiedMs)} ago`;
  const held = `${formatBytes(blobBytes)} of ${formatBytes(maxBytes)}, ${blobs} blobs, ${entries} entries`;
  return `${held}${filling}, index ${copied}`;
}
