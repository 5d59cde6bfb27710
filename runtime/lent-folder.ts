import { spawnSync } from "node:child_process";
import {
  type BigIntStats,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../core/folder.ts";
import type { Mount } from "./container-config.ts";
import { findInImage } from "./image-files.ts";
import { relabel } from "./relabel.ts";

/** A folder of an image, of which one file has an insertion of larder's for as long as a container runs. */
export interface Loan {
  readonly rootDir: string;
  /** The folder inside the image, without links. */
  readonly path: string;
  /** The name of the file in it, its text for the container, and what of that is not the image's. */
  readonly file: string;
  readonly text: string;
  readonly inserted: string;
}

/** What is lent to one container: see {@link lend}. */
const COPY = "copy";
const LOAN = "loan.json";
/**
 * Whatever changed in the copy since it was lent is newer than this; the shim looks for that before it starts anything.
 */
export const STAMP = "stamp";

/**
 * Mounts a copy of a folder over the folder, so that a RUN may do there what it likes: a file that is itself mounted
 * over can be neither replaced nor renamed upon. What was changed is taken back when the container is deleted.
 *
 *     <place>/
 *       copy/       what the container sees
 *       loan.json   Loan
 *       stamp       written last
 *
 * @param place a folder of this container's own, which is made
 */
export function lend(place: string, loan: Loan, mountLabel: string): Mount {
  const copy = join(place, COPY);
  makeFolder(place);
  copyWhole(join(loan.rootDir, loan.path), copy);
  writeFileSync(join(copy, loan.file), loan.text);
  if (mountLabel !== "") relabel(copy, mountLabel);
  writeFileSync(join(place, LOAN), JSON.stringify(loan));
  writeFileSync(join(place, STAMP), "lent\n");
  return { destination: loan.path, type: "bind", source: copy, options: ["bind", "rw", "nosuid", "nodev", "noexec"] };
}

/**
 * Gives the image what its container has changed in the copy, without larder's insertion. Idempotent.
 * @throws when the image has the folder no more, or cannot be written to: its RUN would be half done
 */
export function takeBack(place: string): void {
  if (!existsSync(join(place, STAMP))) return;
  const loan = JSON.parse(readFileSync(join(place, LOAN), "utf8")) as Loan;
  const lentNs = lstatSync(join(place, STAMP), { bigint: true }).mtimeNs;
  const copy = join(place, COPY);
  const file = join(copy, loan.file);
  if (statsOf(file)?.isFile() === true && isNewer(file, lentNs))
    writeFileSync(file, readFileSync(file, "utf8").replace(loan.inserted, ""));
  if (findInImage(loan.rootDir, loan.path) !== loan.path)
    throw new Error(`${loan.path} was moved away: what a RUN has changed in it is lost; build with --no-dnf-conf`);
  carry(copy, join(loan.rootDir, loan.path), lentNs);
  rmSync(place, { recursive: true });
}

/** Makes the folder like its copy; whatever is not newer than the loan is left as it is. */
function carry(copy: string, folder: string, lentNs: bigint): void {
  const kept = new Set(readdirSync(copy));
  for (const name of readdirSync(folder)) if (!kept.has(name)) rmSync(join(folder, name), { recursive: true });
  for (const name of kept) {
    const [from, to] = [join(copy, name), join(folder, name)];
    const there = statsOf(to);
    if (there?.isDirectory() === true && statsOf(from)?.isDirectory() === true) carry(from, to, lentNs);
    else if (there === undefined || isNewer(from, lentNs)) {
      rmSync(to, { recursive: true, force: true });
      copyWhole(from, to);
    }
  }
  copyRights(copy, folder);
}

function copyRights(from: string, to: string): void {
  const [wanted, found] = [lstatSync(from), lstatSync(to)];
  if (wanted.uid !== found.uid || wanted.gid !== found.gid) chownSync(to, wanted.uid, wanted.gid);
  if (wanted.mode !== found.mode) chmodSync(to, wanted.mode);
}

function isNewer(path: string, sinceNs: bigint): boolean {
  return lstatSync(path, { bigint: true }).ctimeNs > sinceNs;
}

function statsOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/**
 * With owners, modes, times, links and extended attributes, which Node's own copy leaves behind.
 * @param to not there yet
 */
function copyWhole(from: string, to: string): void {
  const { status, stderr } = spawnSync("cp", ["-a", "--", from, to], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${from} could not be copied: ${stderr.trim()}`);
}
