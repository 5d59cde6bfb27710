import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base } from "vitest";
import type { Log } from "../../core/log.ts";
import type { LocalStore } from "../../storage/local-store.ts";
import { openStore } from "../../storage/open-store.ts";

/** A clock that stands still until it is told. */
export class HandClock {
  nowMs = Date.UTC(2025, 0, 1);
  readonly read = (): number => this.nowMs;

  advance(ms: number): void {
    this.nowMs += ms;
  }
}

interface LogLine {
  readonly level: "warn" | "error";
  readonly facts: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** Keeps what was logged at `warn` and `error`. */
class RecordingLog implements Log {
  readonly lines: LogLine[] = [];
  readonly debug = (): void => undefined;
  readonly info = (): void => undefined;
  readonly warn: Log["warn"] = (facts, message) => void this.lines.push({ level: "warn", facts, message });
  readonly error: Log["error"] = (facts, message) => void this.lines.push({ level: "error", facts, message });
}

interface OpenOptions {
  readonly rootDir: string;
  readonly maxBytes: number;
  readonly minFreeBytes: number;
}

/** A folder with a clock, a log and the stores opened in it. */
export interface Workbench {
  readonly folder: string;
  /** Where the stores are, unless told otherwise; not there before the first is opened. */
  readonly rootDir: string;
  readonly clock: HandClock;
  readonly log: RecordingLog;
  /** Opens a store as its writer. Closing it is the test's business only when it opens another on the same root. */
  open(options?: Partial<OpenOptions>): Promise<LocalStore>;
  /** Closes every store and removes the folder. */
  dispose(): Promise<void>;
}

const PLENTY = 1024 ** 3;

export async function setUpWorkbench(): Promise<Workbench> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "larder-storage-")));
  const rootDir = join(folder, "root");
  const clock = new HandClock();
  const log = new RecordingLog();
  const stores: LocalStore[] = [];
  return {
    folder,
    rootDir,
    clock,
    log,
    async open(options = {}) {
      const store = await openStore({ rootDir, maxBytes: PLENTY, clock: clock.read, log, ...options });
      stores.push(store);
      return store;
    },
    async dispose() {
      for (const store of stores) await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What the tests of storage/ need; each part is made when a test names it, and everything is taken down after it. */
export const test = base
  .extend("workbench", async ({ task: _ }, { onCleanup }) => {
    const workbench = await setUpWorkbench();
    onCleanup(() => workbench.dispose());
    return workbench;
  })
  .extend("folder", ({ workbench }) => workbench.folder)
  .extend("rootDir", ({ workbench }) => workbench.rootDir)
  .extend("clock", ({ workbench }) => workbench.clock)
  .extend("log", ({ workbench }) => workbench.log)
  .extend("open", ({ workbench }) => workbench.open)
  /** A store with room enough. */
  .extend("store", ({ open }) => open());
