import { LarderError } from "../../core/errors.ts";
import { formatAuthority, type HostPort } from "../../core/target.ts";
import type { Forwarder } from "../forwarding/forward.ts";
import type { Upgrader } from "../forwarding/upgrade.ts";
import type { Dialer } from "../origin/dial.ts";

/** How long what was found out about a host holds: its address may change. */
const CHECKED_FOR_MS = 10_000;
const MAX_CHECKED = 1_000;

/**
 * What stands in place of the ways out for listeners of the profile `packages`, made for guests that are to reach
 * packages and nothing else: they download by GET and HEAD, and no byte of theirs reaches an origin any other way.
 */
export const packagesOnly = {
  forwarder: {
    forward: () => Promise.reject(refusal("takes GET and HEAD without content only")),
    close: () => undefined,
  } satisfies Forwarder,
  upgrader: {
    upgrade: () => Promise.reject(refusal("switches to no other protocol")),
  } satisfies Upgrader,
  openTunnel: (to: HostPort) => Promise.reject(refusal(`opens no blind tunnel, so not to ${formatAuthority(to)}`)),
};

function refusal(what: string): LarderError {
  return new LarderError(
    "DESTINATION_NOT_ALLOWED",
    `this listener is for packages: it ${what}; use another of larder's`,
  );
}

/**
 * Makes sure that a host may be reached before anything of it is served, from the store too: what was stored for others
 * may be from an address that is closed here. A name that cannot be looked up passes: without an address nothing of it
 * can be fetched.
 * @param now milliseconds of a clock that never goes back
 */
export function createTargetGuard(dialer: Dialer, now: () => number = () => performance.now()) {
  const checks = new Map<string, { readonly untilMs: number; readonly isAllowed: Promise<void> }>();
  /** @throws LarderError `DESTINATION_NOT_ALLOWED`, `TARGET_IS_PROXY` */
  return (to: HostPort): Promise<void> => {
    const authority = formatAuthority(to);
    const known = checks.get(authority);
    if (known !== undefined && now() < known.untilMs) return known.isAllowed;
    if (checks.size >= MAX_CHECKED) checks.clear();
    const isAllowed = dialer.check(to);
    isAllowed.catch(() => undefined);
    checks.set(authority, { untilMs: now() + CHECKED_FOR_MS, isAllowed });
    return isAllowed;
  };
}
