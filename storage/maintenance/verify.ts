import { LarderError } from "../../core/errors.ts";
import { BlobFiles } from "../blobs/blob-files.ts";
import { type Database, databaseFault } from "../database.ts";
import type { Layout } from "../layout.ts";
import { indexFile } from "../schema.ts";
import type { StoreKeeping, Suspicion, Verdict, Watch } from "./keeping.ts";
import { Rows, whyUnreadable } from "./rows.ts";
import { digestOfBlobFile, filesOfBlobs, namesIn } from "./walk.ts";

/** What is looked at, in this order: a later step needs what the one before it has found to be right. */
export const VERIFY_STEPS = ["rows", "blobs", "orphans", "staging"] as const;
export type VerifyStep = (typeof VERIFY_STEPS)[number];

/** Something that is wrong, after a second look. */
export interface Finding {
  readonly step: VerifyStep;
  /** The digest, file or URI that it is about. */
  readonly name: string;
  readonly reason: string;
  /** unknown: the system could not tell, or the index itself is at fault. */
  readonly verdict: Exclude<Verdict, "sound"> | "unknown";
}

export interface StepReport {
  readonly step: VerifyStep;
  /** Rows, blobs or files looked at. */
  readonly checked: number;
  /** What was hashed, in bytes. */
  readonly bytes: number;
  readonly findings: readonly Finding[];
}

export interface VerifyOptions {
  /** A connection to the index that only reads. */
  readonly db: Database;
  readonly layout: Layout;
  /** Whoever writes the store: asked about what looks wrong, and only then. */
  readonly keeping: Pick<StoreKeeping, "judge">;
  readonly repair: boolean;
}

/** Suspicions handed over at once. */
const JUDGED_AT_ONCE = 50;

/**
 * Looks at every row and every byte of a store, beside whoever writes it. Each step ends with its report; the steps end
 * early when the index is damaged, for nothing else can be known then, and when the watcher has had enough.
 */
export async function* verifyStore(options: VerifyOptions, watch: Watch): AsyncGenerator<StepReport> {
  for (const step of VERIFY_STEPS) {
    const inspection = new Inspection(step, options, watch);
    await STEPS[step](inspection, options);
    const report = await inspection.report();
    yield report;
    const isIndexDamaged = step === "rows" && report.findings.some(({ verdict }) => verdict === "unknown");
    if (watch.signal.aborted || isIndexDamaged) return;
  }
}

const STEPS: Readonly<Record<VerifyStep, (inspection: Inspection, options: VerifyOptions) => Promise<void>>> = {
  rows: verifyRows,
  blobs: verifyBlobs,
  orphans: verifyOrphans,
  staging: verifyStaging,
};

/** One step under way: counts, and has what looks wrong judged. */
class Inspection {
  readonly #step: VerifyStep;
  readonly #options: VerifyOptions;
  readonly #watch: Watch;
  readonly #findings: Finding[] = [];
  #suspicions: { readonly suspicion: Suspicion; readonly name: string; readonly reason: string }[] = [];
  #checked = 0;
  #bytes = 0;

  constructor(step: VerifyStep, options: VerifyOptions, watch: Watch) {
    this.#step = step;
    this.#options = options;
    this.#watch = watch;
  }

  get isOver(): boolean {
    return this.#watch.signal.aborted;
  }

  passed(bytes = 0, total?: number): void {
    this.#checked += 1;
    this.#bytes += bytes;
    const progress = { step: this.#step, done: this.#checked, bytes: this.#bytes };
    this.#watch.onProgress(total === undefined ? progress : { ...progress, total });
  }

  /** Nobody can judge it: it stands as it was found. */
  note(name: string, reason: string): void {
    this.#findings.push({ step: this.#step, name, reason, verdict: "unknown" });
  }

  async suspect(suspicion: Suspicion, name: string, reason: string): Promise<void> {
    this.#suspicions.push({ suspicion, name, reason });
    if (this.#suspicions.length >= JUDGED_AT_ONCE) await this.#judge();
  }

  async report(): Promise<StepReport> {
    if (this.#suspicions.length > 0) await this.#judge();
    return { step: this.#step, checked: this.#checked, bytes: this.#bytes, findings: this.#findings };
  }

  async #judge(): Promise<void> {
    const batch = this.#suspicions;
    this.#suspicions = [];
    const { keeping, repair } = this.#options;
    const order = { suspicions: batch.map(({ suspicion }) => suspicion), repair };
    const { verdicts } = await keeping.judge(order, this.#watch);
    for (const [index, verdict] of verdicts.entries()) {
      const about = batch[index];
      if (about === undefined || verdict === "sound") continue;
      this.#findings.push({ step: this.#step, name: about.name, reason: about.reason, verdict });
    }
  }
}

async function verifyRows(inspection: Inspection, { db, layout }: VerifyOptions): Promise<void> {
  const damage = damageOf(db, layout);
  if (damage !== undefined) return inspection.note("the index", `${damage}; \`larder store rebuild\` mends it`);
  for (const batch of new Rows(db).entries()) {
    for (const row of batch) {
      if (inspection.isOver) return;
      inspection.passed();
      const reason = whyUnreadable(row);
      if (reason !== undefined) await inspection.suspect({ of: "entry", rowId: row.rowId }, row.uri, reason);
    }
  }
}

/** What SQLite finds wrong with the file of the index, or with what its rows name. */
function damageOf(db: Database, layout: Layout): string | undefined {
  try {
    const found = db.prepare<[], { readonly quick_check: string }>("PRAGMA quick_check(1)").get()?.quick_check;
    if (found !== "ok") return found ?? "it cannot be checked";
    const dangling = db.prepare<[], { readonly table: string }>("PRAGMA foreign_key_check").get()?.table;
    return dangling === undefined ? undefined : `rows of ${dangling} name blobs that it does not have`;
  } catch (error) {
    return databaseFault(indexFile(layout), error).message;
  }
}

async function verifyBlobs(inspection: Inspection, { db, layout }: VerifyOptions): Promise<void> {
  const files = new BlobFiles(layout);
  const rows = new Rows(db);
  const total = rows.countBlobs();
  for (const batch of rows.blobs()) {
    for (const { digest, bytes } of batch) {
      if (inspection.isOver) return;
      const fault = await files.verify(digest, bytes).catch(asLarderError);
      inspection.passed(bytes, total);
      if (fault === undefined) continue;
      if (fault.code === "STORE_UNREADABLE") inspection.note(digest, fault.message);
      else await inspection.suspect({ of: "blob", digest }, digest, fault.message);
    }
  }
}

async function verifyOrphans(inspection: Inspection, { db, layout }: VerifyOptions): Promise<void> {
  const rows = new Rows(db);
  for await (const file of filesOfBlobs(layout)) {
    if (inspection.isOver) return;
    inspection.passed();
    const digest = digestOfBlobFile(file);
    if (digest === undefined) await inspection.suspect({ of: "orphan", file }, file, "it is no blob");
    else if (!rows.hasBlob(digest))
      await inspection.suspect({ of: "orphan", file }, file, "the index does not know it");
  }
}

async function verifyStaging(inspection: Inspection, { layout }: VerifyOptions): Promise<void> {
  for (const file of await namesIn(layout.stagingDir)) {
    if (inspection.isOver) return;
    inspection.passed();
    await inspection.suspect({ of: "staging", file }, file, "nobody is filling it");
  }
}

function asLarderError(error: unknown): LarderError {
  if (error instanceof LarderError) return error;
  throw error;
}
