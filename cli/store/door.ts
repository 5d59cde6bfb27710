import { existsSync, realpathSync } from "node:fs";
import { systemClock } from "../../core/clock.ts";
import { LarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { layoutOf } from "../../storage/layout.ts";
import { openLedger } from "../../storage/ledger.ts";
import type { LocalStore } from "../../storage/local-store.ts";
import { StoreKeeper } from "../../storage/maintenance/keeper.ts";
import { noStoreIn, openStore } from "../../storage/open-store.ts";
import { type ControlClient, findRunning } from "../control/client.ts";
import type { StoreCare } from "../control/store-care.ts";
import { note } from "../line/output.ts";
import type { Settings } from "../settings/config.ts";
import type { Environment } from "../settings/directories.ts";

/** The way to whoever writes a store: the larder that serves it, or this command, under the store's lock. */
export interface StoreDoor {
  /** The larder that serves the store; `undefined` when none does. */
  readonly running: ControlClient | undefined;
  /** Takes the lock when no larder runs, and holds it until `close`. @throws LarderError `STORE_…` */
  care(): Promise<StoreCare>;
  /**
   * Takes the lock, and has the index replaced by its copy, or a new one, and the blobs taken in; `close` releases it.
   * @throws LarderError `STORE_LOCKED` while a larder serves the store
   */
  rebuild(): Promise<LocalStore>;
  close(): Promise<void>;
}

/** What this command opens for itself may hold more than the default limit: only `gc` was told to evict. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;

/** @throws LarderError `STORE_UNREADABLE` when there is no store */
export async function openDoor(settings: Pick<Settings, "root" | "state">, env: Environment): Promise<StoreDoor> {
  const running = await findRunning(settings.root, env);
  if (running !== undefined)
    return {
      running,
      care: () => Promise.resolve(running.care),
      rebuild: () => Promise.reject(lockedByServe(settings.root)),
      close: () => Promise.resolve(),
    };
  if (!existsSync(layoutOf(settings.root).blobsDir)) throw noStoreIn(settings.root);
  let own: Promise<OwnStore> | undefined;
  return {
    running,
    care: async () => {
      own ??= openOwn(settings);
      return (await own).care;
    },
    rebuild: async () => {
      own ??= openOwn(settings, true);
      return (await own).store;
    },
    close: async () => (await own)?.close(),
  };
}

function lockedByServe(root: string): LarderError {
  const message = `the larder that serves ${root} uses its index; stop it first, then rebuild, or start it anew when the index is gone`;
  return new LarderError("STORE_LOCKED", message, { details: { root } });
}

interface OwnStore {
  readonly store: LocalStore;
  readonly care: StoreCare;
  close(): Promise<void>;
}

async function openOwn({ root, state }: Pick<Settings, "root" | "state">, isRebuild = false): Promise<OwnStore> {
  const shared = { clock: systemClock, log: noteLog };
  const store = await openStore({ rootDir: root, maxBytes: UNLIMITED, isRebuild, ...shared });
  try {
    const ledger = await openLedger({ stateDir: state, ...shared });
    const care = new StoreKeeper(store.parts, ledger.pinsOf(realpathSync(root)));
    return {
      store,
      care,
      close: async () => {
        ledger.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

const noteFacts: Log["warn"] = (facts, message) => note(`${message} ${JSON.stringify(facts)}`);

/** What the store has to say goes to whoever gave the command. */
export const noteLog: Log = { debug: () => undefined, info: () => undefined, warn: noteFacts, error: noteFacts };
