import type { Receipt } from "../../storage/store.ts";
import { formatBytes } from "../line/output.ts";

/** What a session took, as one line for a person. */
export function describeReceipt({ payloads, hits, originBytes, savedBytes, seconds }: Receipt): string {
  return [
    `${payloads} ${payloads === 1 ? "payload" : "payloads"}`,
    `${hits} ${hits === 1 ? "hit" : "hits"}`,
    `${formatBytes(originBytes)} from origins`,
    `${formatBytes(savedBytes)} saved`,
    `${seconds.toFixed(1)} s`,
  ].join(", ");
}
