import { mkdir, readdir, rm, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf } from "../../core/digest.ts";
import { LarderError, systemCode } from "../../core/errors.ts";
import { layoutOf } from "../../storage/layout.ts";
import { openLedger } from "../../storage/ledger.ts";
import type { LocalStore } from "../../storage/local-store.ts";
import type { LedgerEvent } from "../../storage/store.ts";
import { noise } from "../support/noise.ts";
import { draftFor, follow, readBlob } from "./bodies.ts";
import { Declaring, openDeclaring } from "./declaring.ts";
import { findingsIn } from "./maintenance/keeping.ts";
import { mountTmpfs, type Tmpfs } from "./tmpfs.ts";
import { test as base, type Workbench } from "./workbench.ts";

const MIB = 1024 * 1024;
const PAGE_BYTES = 4096;
/** Small ones are written in one go, the third has a sidecar: docs/storage-format.md. */
const BODIES = [100, 50_000, 300_000, 2 * MIB].map((bytes, n) => noise(`full ${n}`, bytes));
const DECLARED = { "pool/one.rpm": "one", "pool/two.rpm": "two" };

/** All that is written at once takes fewer pages than the last of these; the first writes of all are near the beginning. */
const FREE_PAGES = [...Array(64).keys(), ...Array.from({ length: 44 }, (_, n) => 64 + 17 * n)];

const test = base.extend("disk", async ({ folder }, { onCleanup }) => {
  const disk = await mountTmpfs(folder, 24 * MIB);
  onCleanup(() => disk.unmount());
  return disk;
});
