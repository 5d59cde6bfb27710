import type { Clock } from "../../core/clock.ts";
import type { Entry } from "../../core/entry.ts";
import type { Quota } from "../eviction/quota.ts";
import type { FaultLog } from "../faults.ts";
import type { Layout } from "../layout.ts";
import type { EntryDraft, StageOptions, Staging, TakenUp } from "../store.ts";
import { DiskStaging, type SealedBody, type StagingDependencies } from "./staging.ts";
import {
  removeUnfinished,
  type Sidecar,
  sidecarFor,
  sidecarOf,
  Unfinished,
  type UnfinishedBody,
} from "./unfinished.ts";

export interface StagingsDependencies {
  readonly layout: Layout;
  readonly quota: Quota;
  readonly faults: FaultLog;
  readonly clock: Clock;
  /** Beginnings that an earlier writer left. */
  readonly found: readonly UnfinishedBody[];
  publish(body: SealedBody, draft: EntryDraft): Promise<Entry>;
}

/** The bodies under way of one store, and the beginnings of others that wait for their rest. */
export class Stagings {
  readonly unfinished: Unfinished;
  readonly #dependencies: StagingsDependencies;
  readonly #open = new Set<Staging>();
  /** Staging files of this run are told apart by it from any that an earlier run left. */
  readonly #startedMs: number;
  #staged = 0;
  /** The beginnings that were there at the start, with what stands beside them. */
  readonly #found: ReadonlySet<string>;

  constructor(dependencies: StagingsDependencies) {
    const { found, quota, clock } = dependencies;
    this.#dependencies = dependencies;
    this.#startedMs = clock();
    this.#found = new Set(found.flatMap(({ path }) => [path, sidecarOf(path)]));
    this.unfinished = new Unfinished(found, quota, clock);
  }

  stage({ expectedBytes = 0, note }: StageOptions): Staging {
    const { layout, clock } = this.#dependencies;
    this.#staged += 1;
    const path = layout.stagingFile(`${this.#startedMs}-${this.#staged}`);
    const atMs = clock();
    const describe = note === undefined ? undefined : () => sidecarFor(note, atMs);
    const staging: Staging = new DiskStaging(this.#of(path, expectedBytes, describe, () => this.#open.delete(staging)));
    this.#open.add(staging);
    return staging;
  }

  /** As {@link Store.takeUp}. */
  takeUp(name: string): Promise<TakenUp | undefined> | undefined {
    const body = this.unfinished.take(name);
    return body === undefined ? undefined : this.#reopen(name, body);
  }

  /** Whether a file of this name in staging is of this run, or a beginning that it found. */
  mayBeUnderWay(name: string): boolean {
    return name.startsWith(`${this.#startedMs}-`) || this.#found.has(this.#dependencies.layout.stagingFile(name));
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#open].map((staging) => staging.close()));
  }

  async #reopen(name: string, body: UnfinishedBody): Promise<TakenUp | undefined> {
    const { path, bytes, ...sidecar } = body;
    const { origin, fields, isDeclared } = sidecar;
    try {
      const onClose = (): void => void this.#open.delete(staging);
      const staging: Staging = await DiskStaging.takeUp(this.#of(path, bytes, () => sidecar, onClose));
      this.#open.add(staging);
      return { staging, note: { name, origin, fields, isDeclared } };
    } catch (error) {
      this.#dependencies.faults.report("staging", error);
      await removeUnfinished(path);
      return undefined;
    }
  }

  #of(
    path: string,
    announcedBytes: number,
    describe: (() => Sidecar) | undefined,
    onClose: () => void,
  ): StagingDependencies {
    const { quota, faults, publish } = this.#dependencies;
    const onSuspended = (body: UnfinishedBody): void => this.unfinished.keep(body);
    return { path, announcedBytes, describe, quota, faults, publish, onSuspended, onClose };
  }
}
