import type { Clock } from "../../core/clock.ts";
import { LarderError } from "../../core/errors.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { mayDelegate } from "../../policy/access/delegation.ts";
import {
  type DeclarationReader,
  openDeclarations,
  openDeclarationsForReading,
} from "../../storage/declarations/open-declarations.ts";
import type { DeclarationIndex } from "../../storage/declarations.ts";
import { layoutOf } from "../../storage/layout.ts";
import type { LocalStore } from "../../storage/local-store.ts";
import { bytesOfBlobs } from "../../storage/maintenance/walk.ts";
import { openStore, openStoreForReading, type StoreReader } from "../../storage/open-store.ts";
import { automaticMaxBytes, automaticMinFreeBytes } from "../settings/capacity.ts";
import type { Settings } from "../settings/config.ts";

type StoreSettings = Pick<Settings, "root" | "maxBytes">;

/** Opens the store as its one writer. @throws LarderError `STORE_…` */
export async function openOwnStore(
  settings: StoreSettings & Pick<Settings, "minFreeSpace">,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<LocalStore> {
  const { root: rootDir, minFreeSpace } = settings;
  const minFreeBytes = minFreeSpace === "auto" ? await automaticMinFreeBytes(rootDir) : minFreeSpace;
  return openStore({ rootDir, maxBytes: await maxBytesOf(settings), minFreeBytes, clock, log });
}

/**
 * Opens what repositories declare, beside a store that this process has opened as its writer.
 * @throws LarderError `STORE_…`
 */
export function openOwnDeclarations(
  { root: rootDir, delegate }: Pick<Settings, "root" | "delegate">,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): DeclarationIndex {
  return openDeclarations({ rootDir, mayDelegate: (from, to) => mayDelegate(from, to, delegate), clock, log });
}

/**
 * Looks into the store, beside the larder that serves it or without any.
 * @throws LarderError `STORE_UNREADABLE` when there is none
 */
export async function withStoreOnDisk<T>(
  settings: StoreSettings,
  use: (store: StoreReader) => T | Promise<T>,
): Promise<T> {
  const store = openStoreForReading({ rootDir: settings.root, maxBytes: await maxBytesOf(settings) });
  try {
    return await use(store);
  } finally {
    store.close();
  }
}

/** The same with what repositories declare. @throws LarderError `STORE_UNREADABLE` */
export async function withDeclarationsOnDisk<T>(
  settings: StoreSettings & Pick<Settings, "delegate">,
  use: (store: StoreReader, declarations: DeclarationReader) => T,
): Promise<T> {
  return await withStoreOnDisk(settings, (store) => {
    const isDelegated = (from: string, to: string): boolean => mayDelegate(from, to, settings.delegate);
    const options = { rootDir: settings.root, mayDelegate: isDelegated, log: silentLog };
    const declarations = openDeclarationsForReading(options);
    try {
      return use(store, declarations);
    } finally {
      declarations.close();
    }
  });
}

/** The limit that the settings name, worked out. */
export async function maxBytesOf({ root, maxBytes }: StoreSettings): Promise<number> {
  return maxBytes === "auto" ? automaticMaxBytes(root, await heldBytes(root)) : maxBytes;
}

/** What is wrong with a store that cannot be read is said by who opens it for work; its blobs are still there. */
async function heldBytes(rootDir: string): Promise<number> {
  try {
    const store = openStoreForReading({ rootDir, maxBytes: 0 });
    try {
      return store.usage().blobBytes;
    } finally {
      store.close();
    }
  } catch (error) {
    if (error instanceof LarderError) return bytesOfBlobs(layoutOf(rootDir)).catch(() => 0);
    throw error;
  }
}
