import { readFileSync } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import type { Clock } from "../../core/clock.ts";
import type { RawFields } from "../../core/fields.ts";
import type { Quota } from "../eviction/quota.ts";
import { hexHash } from "../keys.ts";
import type { Layout } from "../layout.ts";
import type { ResumeNote } from "../store.ts";

/** How long the beginning of a body is worth its room: a build that failed is tried again within a day, or never. */
const MAX_AGE_MS = 24 * 60 * 60 * 1000;
const SIDECAR = ".json";
const BOOT_ID = readBootId();

/** What stands beside a staging file, as JSON: how the body is recognised, and whether its bytes can be trusted. */
export interface Sidecar {
  /** The sha256 of {@link ResumeNote.name}, which may hold what is nobody else's business. */
  readonly nameHash: string;
  readonly origin: string;
  readonly fields: RawFields;
  readonly isDeclared: boolean;
  /** The run of the system that wrote the bytes: they are what was written unless the power went in between. */
  readonly bootId: string | undefined;
  readonly atMs: number;
}

/** The beginning of a body that broke off. */
export interface UnfinishedBody extends Sidecar {
  readonly path: string;
  readonly bytes: number;
}

/** Where the sidecar of a staging file stands. */
export function sidecarOf(path: string): string {
  return path + SIDECAR;
}

/** The sidecar of a body that begins now. */
export function sidecarFor({ name, ...note }: ResumeNote, atMs: number): Sidecar {
  return { ...note, nameHash: hexHash(name), bootId: BOOT_ID, atMs };
}

/**
 * The beginnings that an earlier writer left in staging and that can be gone on with: not a day old, and either their
 * digest is declared or the system has not been started anew. Whatever else lies there is removed: nobody can tell what
 * it was to become.
 */
export async function findUnfinished(layout: Layout, nowMs: number): Promise<readonly UnfinishedBody[]> {
  const names = new Set(await readdir(layout.stagingDir));
  const found = new Map<string, UnfinishedBody>();
  for (const name of names) {
    const path = layout.stagingFile(name);
    const body = name.endsWith(SIDECAR) ? undefined : await readUnfinished(path);
    if (body === undefined || isOld(body, nowMs) || !isTrustworthy(body) || found.has(body.nameHash)) continue;
    found.set(body.nameHash, body);
  }
  const kept = new Set([...found.values()].flatMap(({ path }) => [path, sidecarOf(path)]));
  for (const name of names) {
    const path = layout.stagingFile(name);
    if (!kept.has(path)) await rm(path, { recursive: true, force: true });
  }
  return [...found.values()];
}

/** Beginnings of bodies that wait for somebody to ask for the rest. They take room, and are the first to make some. */
export class Unfinished {
  readonly #bodies = new Map<string, UnfinishedBody>();
  readonly #quota: Quota;
  readonly #clock: Clock;

  constructor(found: readonly UnfinishedBody[], quota: Quota, clock: Clock) {
    this.#quota = quota;
    this.#clock = clock;
    for (const body of found) this.keep(body);
  }

  /** The first of two that begin the same thing stays. */
  keep(body: UnfinishedBody): void {
    if (this.#bodies.has(body.nameHash)) return void removeUnfinished(body.path);
    this.#bodies.set(body.nameHash, body);
    this.#quota.addUnfinished(body.bytes);
  }

  /** Hands it over: nobody else gets it. */
  take(name: string): UnfinishedBody | undefined {
    if (this.#bodies.size === 0) return undefined;
    const body = this.#bodies.get(hexHash(name));
    if (body === undefined || isOld(body, this.#clock())) return undefined;
    this.#forget(body);
    return body;
  }

  async dropOld(): Promise<void> {
    for (const body of this.#bodies.values()) if (isOld(body, this.#clock())) await this.#drop(body);
  }

  async dropAll(): Promise<void> {
    for (const body of this.#bodies.values()) await this.#drop(body);
  }

  async #drop(body: UnfinishedBody): Promise<void> {
    this.#forget(body);
    await removeUnfinished(body.path);
  }

  #forget({ nameHash, bytes }: UnfinishedBody): void {
    this.#bodies.delete(nameHash);
    this.#quota.addUnfinished(-bytes);
  }
}

/** Removes a staging file with what stands beside it. */
export async function removeUnfinished(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(sidecarOf(path), { force: true });
}

async function readUnfinished(path: string): Promise<UnfinishedBody | undefined> {
  try {
    const sidecar = parseSidecar(await readFile(sidecarOf(path), "utf8"));
    const { size } = await stat(path);
    return sidecar === undefined || size === 0 ? undefined : { ...sidecar, path, bytes: size };
  } catch {
    return undefined;
  }
}

function parseSidecar(text: string): Sidecar | undefined {
  const { nameHash, origin, fields, isDeclared, bootId, atMs } = JSON.parse(text) as Partial<Sidecar>;
  const isWhole =
    typeof nameHash === "string" &&
    typeof origin === "string" &&
    Array.isArray(fields) &&
    fields.every((field) => typeof field === "string") &&
    typeof atMs === "number";
  return isWhole ? { nameHash, origin, fields, isDeclared: isDeclared === true, bootId, atMs } : undefined;
}

/** A clock that was put back makes nothing young. */
function isOld({ atMs }: Sidecar, nowMs: number): boolean {
  return Math.abs(nowMs - atMs) > MAX_AGE_MS;
}

function isTrustworthy({ isDeclared, bootId }: Sidecar): boolean {
  return isDeclared || (bootId !== undefined && bootId === BOOT_ID);
}

/** Linux gives each of its runs a name (random(4)), which outlives this process. */
function readBootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return undefined;
  }
}
