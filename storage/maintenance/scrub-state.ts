import { readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { type Digest, parseDigest } from "../../core/digest.ts";
import type { Layout } from "../layout.ts";

/** What one round over all blobs has found so far. */
export interface ScrubTally {
  readonly startedMs: number;
  /** Blobs hashed, and their bytes. */
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs that were missing or damaged, and are gone with their entries. */
  readonly lost: number;
  /** Blobs that the system could not read: nothing is known of them. */
  readonly unread: number;
}

/** A round under way. It goes over the blobs by digest: what comes and goes meanwhile does not move its place. */
export interface ScrubRound extends ScrubTally {
  /** The blob that was looked at last; `undefined` at the beginning. */
  readonly after: Digest | undefined;
}

export interface EndedScrub extends ScrubTally {
  readonly endedMs: number;
}

/** Where the scrub stands; it outlives the process in a file of its own, as JSON. */
export interface ScrubState {
  readonly round: ScrubRound | undefined;
  /** The last round that saw every blob. */
  readonly last: EndedScrub | undefined;
}

/** A state that is missing or damaged costs one round more. */
export function readScrubState({ scrubFile }: Pick<Layout, "scrubFile">): ScrubState {
  try {
    const { round, last } = JSON.parse(readFileSync(scrubFile, "utf8")) as Record<string, unknown>;
    return { round: parseRound(round), last: parseEnded(last) };
  } catch {
    return { round: undefined, last: undefined };
  }
}

/** By rename, so that nobody reads half of it. */
export async function writeScrubState({ scrubFile }: Pick<Layout, "scrubFile">, state: ScrubState): Promise<void> {
  await writeFile(`${scrubFile}.new`, `${JSON.stringify(state)}\n`);
  await rename(`${scrubFile}.new`, scrubFile);
}

function parseRound(json: unknown): ScrubRound | undefined {
  const tally = parseTally(json);
  const { after } = (json ?? {}) as { readonly after?: unknown };
  return tally && { ...tally, after: typeof after === "string" ? parseDigest(after) : undefined };
}

function parseEnded(json: unknown): EndedScrub | undefined {
  const tally = parseTally(json);
  const { endedMs } = (json ?? {}) as { readonly endedMs?: unknown };
  return tally !== undefined && typeof endedMs === "number" ? { ...tally, endedMs } : undefined;
}

function parseTally(json: unknown): ScrubTally | undefined {
  const { startedMs, blobs, bytes, lost, unread } = (json ?? {}) as Partial<ScrubTally>;
  const isWhole = [startedMs, blobs, bytes, lost, unread].every((count) => typeof count === "number");
  return isWhole ? ({ startedMs, blobs, bytes, lost, unread } as ScrubTally) : undefined;
}
