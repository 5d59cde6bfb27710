import { isIP } from "node:net";
import { listMembers } from "../../core/fields.ts";

/**
 * The address that the last proxy before larder says it was asked from: the last member of Forwarded (RFC 7239 §4),
 * which that proxy wrote itself; what stands before it, anybody may have written.
 * @returns `undefined` when it names no address (`unknown`, `_hidden`).
 */
export function forwardedFor(field: string | undefined): string | undefined {
  const last = listMembers(field ?? "").at(-1);
  const written = last === undefined ? undefined : /(?:^|;)\s*for=("?)([^";]*)\1/i.exec(last)?.[2];
  const address = written?.replace(/^\[([^\]]*)\](?::\d+)?$/, "$1").replace(/^([0-9.]+):\d+$/, "$1");
  return address !== undefined && isIP(address) !== 0 ? address : undefined;
}
