import { lstat, rm } from "node:fs/promises";
import { join } from "node:path";
import { LarderError } from "../../core/errors.ts";
import type { Judged, JudgeOrder, Suspicion, Verdict, Watch } from "./keeping.ts";
import type { StoreParts } from "./parts.ts";
import { Rows, whyUnreadable } from "./rows.ts";
import { digestOfBlobFile } from "./walk.ts";

/** Looks a second time at what a reader suspects, and has the last word: see {@link StoreKeeping.judge}. */
export async function judge(parts: StoreParts, { suspicions, repair }: JudgeOrder, watch: Watch): Promise<Judged> {
  const verdicts: Verdict[] = [];
  for (const suspicion of suspicions) {
    if (watch.signal.aborted) break;
    verdicts.push(await verdictOn(parts, suspicion, repair));
    watch.onProgress({ step: "judge", done: verdicts.length, total: suspicions.length });
  }
  return { verdicts };
}

function verdictOn(parts: StoreParts, suspicion: Suspicion, repair: boolean): Verdict | Promise<Verdict> {
  switch (suspicion.of) {
    case "blob":
      return parts.blobs.judge(suspicion.digest, repair);
    case "entry":
      return judgeEntry(parts, suspicion.rowId, repair);
    case "orphan":
      return judgeOrphan(parts, suspicion.file, repair);
    case "staging":
      return judgeStaging(parts, suspicion.file, repair);
    default:
      throw new LarderError("BAD_REQUEST", `nobody can judge ${JSON.stringify(suspicion satisfies never)}`);
  }
}

async function judgeEntry(parts: StoreParts, rowId: number, repair: boolean): Promise<Verdict> {
  const row = new Rows(parts.db).entry(rowId);
  if (row === undefined || whyUnreadable(row) === undefined) return "sound";
  if (!repair) return "condemned";
  await parts.blobs.removed(parts.removeRow(row));
  return "repaired";
}

/**
 * A file that is being published has its row a moment later, one that is being evicted goes a moment after its row:
 * both are looked at in turn with that. What a crash left is about to be swept away.
 */
async function judgeOrphan(parts: StoreParts, file: string, repair: boolean): Promise<Verdict> {
  const { blobs, layout } = parts;
  await parts.swept();
  const digest = digestOfBlobFile(file);
  if (digest === undefined) return judgeFile(join(layout.blobsDir, plainPath(file)), repair);
  if ((await blobs.isKnown(digest)) || !(await isThere(layout.blobFile(digest)))) return "sound";
  if (!repair) return "condemned";
  return (await blobs.removeIfUnknown(digest)) ? "repaired" : "sound";
}

function judgeStaging(parts: StoreParts, file: string, repair: boolean): Verdict | Promise<Verdict> {
  if (parts.isStagingOfSomebody(file)) return "sound";
  return judgeFile(parts.layout.stagingFile(plainPath(file)), repair);
}

async function judgeFile(path: string, repair: boolean): Promise<Verdict> {
  if (!(await isThere(path))) return "sound";
  if (!repair) return "condemned";
  await rm(path, { recursive: true });
  return "repaired";
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Suspicions come over the control socket; none may lead out of the folder. */
function plainPath(file: string): string {
  const isPlain = file.split("/").every((name) => name !== "" && name !== "." && name !== "..");
  if (isPlain) return file;
  throw new LarderError("BAD_REQUEST", `${JSON.stringify(file)} names no file of the store`);
}
