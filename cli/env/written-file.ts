import { chmodSync, mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { LarderError, systemCode } from "../../core/errors.ts";
import { makeFolder } from "../../core/folder.ts";

/**
 * Puts a whole file in place of whatever stood there, in a folder that is made where it is missing; readers see the old
 * one or the new one.
 * @param mode whatever the umask says: other users read these, as apt's `_apt` does.
 * @throws LarderError `FILE_UNWRITABLE`
 */
export function replaceFile(file: string, content: string | Buffer, mode: number): void {
  // The dot keeps the unfinished file out of the glob `*.env`.
  const unfinished = join(dirname(file), `.${basename(file)}.${process.pid}`);
  try {
    makeFolder(dirname(file));
    writeFileSync(unfinished, content);
    chmodSync(unfinished, mode);
    renameSync(unfinished, file);
  } catch (cause) {
    throw unwritable(file, cause);
  }
}

/** Writes files for everybody to read, by name. @throws LarderError `FILE_UNWRITABLE` */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) replaceFile(join(folder, name), text, 0o644);
}

/** {@link makeFolder} for the command line. @throws LarderError `FILE_UNWRITABLE` */
export function makeOwnFolder(folder: string): boolean {
  try {
    return makeFolder(folder);
  } catch (cause) {
    throw unwritable(folder, cause);
  }
}

/**
 * Makes a new folder for what is needed for a moment, below `TMPDIR`; whoever asks removes it.
 * @throws LarderError `FILE_UNWRITABLE`
 */
export function makeScratchFolder(prefix: string): string {
  try {
    return mkdtempSync(join(tmpdir(), prefix));
  } catch (cause) {
    throw unwritable(tmpdir(), cause, "name a folder for temporary files with TMPDIR");
  }
}

/** What cannot be read or written of what larder writes for other programs. */
export function unwritable(
  path: string,
  cause: unknown,
  cure = "make its folder writable, or choose another",
): LarderError {
  const code = systemCode(cause);
  const message = `${path} cannot be written (${code}); ${cure}`;
  return new LarderError("FILE_UNWRITABLE", message, { details: { path, reason: code }, cause });
}
