import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { readTextOrNothing } from "./read-text.ts";

export interface WatchOptions {
  /** What {@link describeNetwork} said before the network was made use of: a change in the meantime is one, too. */
  readonly since: string;
  /** Files that tell of the network: routes, name servers, the override. One that is not there counts as empty. */
  readonly files: readonly string[];
  /**
   * How often to look. Reading a few small files costs nothing beside a child process that follows netlink, which Node
   * cannot do.
   */
  readonly everyMs: number;
  /** It is time all the same then. */
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the addresses or the files of this machine are others than they were, when the time is over, or at the
 * abort.
 */
export async function networkChange({ since, files, everyMs, withinMs, signal }: WatchOptions): Promise<void> {
  if ((await describeNetwork(files)) !== since) return;
  for (let waitedMs = 0; waitedMs < withinMs && !signal.aborted; waitedMs += everyMs) {
    await sleep(Math.min(everyMs, withinMs - waitedMs), undefined, { signal }).catch(() => undefined);
    if ((await describeNetwork(files)) !== since) return;
  }
}

/** The addresses of this machine and what the files say, in a form that can be compared. */
export async function describeNetwork(files: readonly string[]): Promise<string> {
  const texts = await Promise.all(files.map(readTextOrNothing));
  const addresses = Object.entries(networkInterfaces()).flatMap(([link, found = []]) =>
    found.map(({ cidr }) => `${link} ${cidr}`),
  );
  return JSON.stringify([addresses.sort(), texts]);
}
